package warehouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-faster/city"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/pass"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// scanRows is how many rows of a column of hashes ClickHouse looks at in the time
// in which it finds one value through the primary key: it asks every part for
// each value, at some eleven microseconds a time, and compares seventy rows in one.
const scanRows = 800

// sizesFor is how long the number of rows of a table is taken for true.
const sizesFor = time.Minute

// sizes are about how many rows the tables have.
type sizes struct {
	mu   sync.Mutex
	read time.Time
	rows map[string]uint64
}

// hashed returns the expression by which a statement compares a column of hashes
// with n wanted ones: the column, which the primary key then finds, or something
// equal to it, so that the whole column is compared. Both read other columns only
// where there is a match, which is why the statements compare the app after that.
func (w *server) hashed(ctx context.Context, table, column string, n int) string {
	if rows := w.rowsOf(ctx, table); rows > 0 && rows/scanRows < uint64(n) {
		return "bitXor(" + column + ", 0)"
	}
	return column
}

// rowsOf returns about how many rows a table has, 0 if that is not known. A wrong
// answer costs time and nothing else.
func (w *server) rowsOf(ctx context.Context, table string) uint64 {
	w.sizes.mu.Lock()
	defer w.sizes.mu.Unlock()
	if time.Since(w.sizes.read) > sizesFor {
		rows := make(map[string]uint64)
		err := each(pass.Without(ctx), w.facts, func(r driver.Rows) error {
			var name string
			var n uint64
			err := r.Scan(&name, &n)
			rows[name] = n
			return err
		}, "SELECT table, sum(rows) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table")
		if err == nil {
			w.sizes.rows = rows
		}
		w.sizes.read = time.Now()
	}
	return w.sizes.rows[table]
}

// wanted hands values to a statement as a table of the statement's own, with the
// hash that the key tables are ordered by; values may be nil where the hashes are
// enough. A list in the text would be parsed again for each of many thousand
// values.
func wanted(ctx context.Context, hashes []uint64, values []string) (context.Context, error) {
	table, err := ext.NewTable("wanted", ext.Column("hash", "UInt64"))
	if err == nil && values != nil {
		err = ext.Column("value", "String")(table)
	}
	if err != nil {
		return nil, fmt.Errorf("make table of wanted values: %w", err)
	}
	columns := table.Block().Columns
	_, err = columns[0].Append(hashes)
	if err == nil && values != nil {
		_, err = columns[1].Append(values)
	}
	if err != nil {
		return nil, fmt.Errorf("fill table of wanted values: %w", err)
	}
	return clickhouse.Context(ctx, clickhouse.WithExternalTable(table)), nil
}

// hashesOf are what ClickHouse's cityHash64 makes of values.
func hashesOf(values []string) []uint64 {
	hashes := make([]uint64, len(values))
	for i, v := range values {
		hashes[i] = city.CH64([]byte(v))
	}
	return hashes
}

// lookup runs a statement about wanted values and gives every row to scan.
func (w *server) lookup(ctx context.Context, values []string, scan func(driver.Rows) error, query string, args ...any) error {
	if len(values) == 0 {
		return nil
	}
	ctx, err := wanted(ctx, hashesOf(values), values)
	if err != nil {
		return err
	}
	return tooMany(each(ctx, w.facts, scan, query, args...))
}

// lookupHashes is lookup for a statement that asks for the hashes only.
func (w *server) lookupHashes(ctx context.Context, hashes []uint64, scan func(driver.Rows) error, query string, args ...any) error {
	if len(hashes) == 0 {
		return nil
	}
	ctx, err := wanted(ctx, hashes, nil)
	if err != nil {
		return err
	}
	return tooMany(each(ctx, w.facts, scan, query, args...))
}

// tooMany asks for fewer values at once where a look-up took more time or memory
// than one may: on a busy server that is what gets on.
func tooMany(err error) error {
	var limit *report.LimitError
	if errors.As(err, &limit) {
		return fmt.Errorf("%w: %w", attribution.ErrTooManyKeys, err)
	}
	return err
}

// each runs a read and gives every row to scan. Once begun it runs to its end,
// which the server's limits bound: when a context ends while rows arrive,
// clickhouse-go 2.50 sends on a channel that it has closed, and the process dies.
func each(ctx context.Context, conn driver.Conn, scan func(driver.Rows) error, query string, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rows, err := conn.Query(context.WithoutCancel(ctx), query, args...)
	if err != nil {
		return limited(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return limited(rows.Err())
}
