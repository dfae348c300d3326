package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/pass"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Reads for a person go another way than the system's own reads: under a pass (see package pass), as the
// reader. Where a server has no reader and lets us make none, the same user reads with the same limits,
// and with the pass as a filter that the server adds to every table; then only our own statements make
// sure that the filter is not lifted again.

// walled is a pool whose reads go through the wall if their context has a pass.
type walled struct {
	driver.Conn
	wall *wall
}

// Query runs a read.
func (c *walled) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	conn, ctx := c.route(ctx)
	return conn.Query(ctx, query, args...)
}

// QueryRow runs a read of one row.
func (c *walled) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	conn, ctx := c.route(ctx)
	return conn.QueryRow(ctx, query, args...)
}

func (c *walled) route(ctx context.Context) (driver.Conn, context.Context) {
	p, ok := pass.Of(ctx)
	if !ok {
		return c.Conn, ctx
	}
	ctx = context.WithoutCancel(ctx) // the driver makes max_execution_time of a deadline, and the reader's is its own
	if reader := c.wall.reader; reader != nil {
		return reader, clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"log_comment": c.wall.keys.Comment(p)}))
	}
	settings := readSettings()
	settings["additional_table_filters"] = filters(p)
	return c.Conn, clickhouse.Context(ctx, clickhouse.WithSettings(settings))
}

// filters is the pass for a server that has no reader: a condition for each table that has an app.
func filters(p pass.Pass) string {
	if p.All {
		return "{}"
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	apps := []string{"''''"} // no app has this name, and a list must not be empty
	for _, app := range p.Apps {
		apps = append(apps, "'"+quote.Replace(app)+"'")
	}
	condition := quote.Replace("app_id IN (" + strings.Join(apps, ", ") + ")")
	var entries []string
	for _, table := range tables() {
		entries = append(entries, "'"+table+"': '"+condition+"'")
	}
	return "{" + strings.Join(entries, ", ") + "}"
}

// wall is the reader of one server.
type wall struct {
	keys   pass.Reader
	known  bool        // keys are there: the user has a password to derive them from
	reader driver.Conn // nil while the server has no reader
}

// openReader connects as the reader, if the server has one whose policy covers the database.
func (w *Warehouse) openReader(ctx context.Context) error {
	if !w.wall.known || w.wall.reader != nil {
		return nil
	}
	options := *w.options
	options.Auth.Username, options.Auth.Password = w.wall.keys.Name, w.wall.keys.Password
	// The limits are the reader's own.
	conn, err := connect(&options, clickhouse.Settings{"max_query_size": maxQueryText, "do_not_merge_across_partitions_select_final": 1})
	if err != nil {
		return err
	}
	if err := conn.Ping(ctx); err != nil {
		return errors.Join(err, conn.Close())
	}
	var policies uint64
	err = w.write.QueryRow(ctx, "SELECT count() FROM system.row_policies WHERE database = currentDatabase() AND table = '' AND has(apply_to_list, ?) AND select_filter LIKE '%log_comment%'", w.wall.keys.Name).
		Scan(&policies)
	if err == nil && policies == 0 {
		err = fmt.Errorf("user %s has no row policy in this database", w.wall.keys.Name)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	w.wall.reader = conn
	return nil
}

// makeReader makes the user and its policy anew. Servers whose users are in files refuse that, and so do
// those that do not let this user manage access.
func (w *Warehouse) makeReader(ctx context.Context) error {
	if !w.wall.known {
		return errors.New("the user of the DSN has no password")
	}
	k, database := w.wall.keys, "`"+w.options.Auth.Database+"`"
	user := "`" + k.Name + "`"
	identified := user + " IDENTIFIED WITH sha256_hash BY '" + k.PasswordHash() + "' SETTINGS " + pass.Profile()
	for _, statement := range []string{
		"CREATE USER IF NOT EXISTS " + identified,
		"ALTER USER " + identified,
		"CREATE ROW POLICY OR REPLACE unmogrowp_apps ON " + database + ".* FOR SELECT USING " + k.Filter() + " TO " + user,
		"CREATE ROW POLICY OR REPLACE unmogrowp_all ON " + database + ".* FOR SELECT USING 1 TO `" + w.options.Auth.Username + "`",
		"GRANT SELECT ON " + database + ".* TO " + user,
	} {
		if err := w.write.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// buildWall makes the reader where there is none yet.
func (w *Warehouse) buildWall(ctx context.Context) {
	if w.wall.reader != nil {
		return
	}
	err := w.makeReader(ctx)
	if err == nil {
		err = w.openReader(ctx)
	}
	if err != nil {
		w.logger.Warn("no reader of its own in ClickHouse: people's questions run as the ordinary user with filters and limits; see docs/operations",
			"error", w.wall.keys.Hide(err.Error()))
	}
}

// Walled says whether people's questions run as a user of their own.
func (w *Warehouse) Walled() bool { return w.wall.reader != nil }

// limited turns the refusal of a question that reaches too far into the error that tells so.
func limited(err error) error {
	var exception *clickhouse.Exception
	if !errors.As(err, &exception) {
		return err
	}
	switch exception.Code {
	case 158, 307, 396: // TOO_MANY_ROWS, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES
		return &report.LimitError{Cause: err}
	case 159, 160, 202, 241: // TIMEOUT_EXCEEDED, TOO_SLOW, TOO_MANY_SIMULTANEOUS_QUERIES, MEMORY_LIMIT_EXCEEDED
		return &report.LimitError{Busy: true, Cause: err}
	}
	return err
}
