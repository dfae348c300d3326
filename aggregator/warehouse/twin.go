package warehouse

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// The second implementation of package attribution, in SQL. Each file is a stage:
// a query whose result is the temporary table of its name, made of stored facts,
// of the tables given and of earlier stages. functions.sql has what all may call.
//
//go:embed twin/*.sql
var queries embed.FS

// twinStages are the stages in order; attribution, which is none, has the result.
func twinStages() [34]string {
	return [...]string{
		"override", "terms", "stored", "about", "conversion", "link", "reached", "person", "joined", "claim", "prior", "carried", "contested", "variant",
		"touch", "considered", "arrived", "seen", "rejected", "judged", "taken", "contest", "chain", "settled", "told",
		"opening", "opened", "returned", "digest", "path", "powers", "weight", "decay", "share",
	}
}

// Twin computes in ClickHouse what package attribution defines, a second and
// independent time: the attribution of each conversion, with the settings that at
// returns for its time, from the touches, conversions and links that are stored.
// It reads no stored attribution and writes nothing. The rows are ordered by id;
// their versions are of repair 0.
func (w *Warehouse) Twin(ctx context.Context, app string, ids []string, at func(ms int64) *attribution.Settings) ([]attribution.Row, error) {
	var rows []attribution.Row
	err := w.compute(ctx, app, ids, at, func(ctx context.Context, conn driver.Conn, result string) error {
		return each(ctx, conn, func(r driver.Rows) error {
			row, err := scanAttribution(r, app)
			rows = append(rows, row)
			return err
		}, "SELECT "+attributionFields+" FROM ("+result+") ORDER BY conversion_id")
	})
	return rows, err
}

// compute runs the stages and hands the query of the result to use.
func (w *Warehouse) compute(ctx context.Context, app string, ids []string, at func(ms int64) *attribution.Settings,
	use func(ctx context.Context, conn driver.Conn, result string) error) error {
	if len(ids) == 0 {
		return nil
	}
	given, err := w.twinInputs(ctx, app, ids, at)
	if err != nil {
		return fmt.Errorf("find people of conversions: %w", err)
	}
	conn, err := w.session()
	if err != nil {
		return err
	}
	return errors.Join(runStages(ctx, conn, given, use), conn.Close())
}

// session opens a connection of its own, for temporary tables live in one. They
// end with it.
func (w *Warehouse) session() (driver.Conn, error) {
	options := *w.options
	options.MaxOpenConns, options.MaxIdleConns = 1, 1
	settings := clickhouse.Settings{
		"max_execution_time": twinSeconds, "max_memory_usage": maxReadBytes, "max_rows_to_read": maxReadRows, "max_query_size": maxQueryText,
		"enable_named_columns_in_function_tuple": 1, "join_use_nulls": 0,
		// A function over an array repeats, for each element, whatever else it looks at: the memory of a
		// block grows with the square of the touches of its people, and so blocks are small.
		"max_block_size": twinBlock, "min_insert_block_size_rows": twinBlock, "min_insert_block_size_bytes": 4 << 20,
	}
	return connect(&options, settings)
}

func runStages(ctx context.Context, conn driver.Conn, given twinInputs, use func(ctx context.Context, conn driver.Conn, result string) error) error {
	for _, table := range given.tables {
		sent := clickhouse.Context(context.WithoutCancel(ctx), clickhouse.WithExternalTable(table))
		name := strings.TrimPrefix(table.Name(), "given_")
		if err := conn.Exec(sent, "CREATE TEMPORARY TABLE "+name+" ENGINE = Memory AS SELECT * FROM "+table.Name()); err != nil {
			return fmt.Errorf("hand over table %s: %w", name, err)
		}
	}
	withParameters := clickhouse.Context(context.WithoutCancel(ctx), clickhouse.WithParameters(given.parameters))
	for _, name := range twinStages() {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, err := stage(name)
		if err == nil {
			err = conn.Exec(withParameters, "CREATE TEMPORARY TABLE "+name+" ENGINE = Memory AS\n"+text)
		}
		if err != nil {
			return fmt.Errorf("compute %s: %w", name, err)
		}
	}
	text, err := stage("attribution")
	if err == nil {
		err = use(withParameters, conn, text)
	}
	if err != nil {
		return fmt.Errorf("compute attributions in SQL: %w", err)
	}
	return nil
}

// stage returns the query of a stage, with the functions that it may call.
func stage(name string) (string, error) {
	functions, err := queries.ReadFile("twin/functions.sql")
	if err != nil {
		return "", fmt.Errorf("read own query: %w", err)
	}
	text, err := queries.ReadFile("twin/" + name + ".sql")
	if err != nil {
		return "", fmt.Errorf("read own query: %w", err)
	}
	return "WITH\n" + string(functions) + string(text), nil
}

// twinInputs are the inputs of a computation besides the stored facts.
type twinInputs struct {
	tables     []*ext.Table
	parameters clickhouse.Parameters
}

func (w *Warehouse) twinInputs(ctx context.Context, app string, ids []string, at func(int64) *attribution.Settings) (twinInputs, error) {
	p := newPeople(w, app)
	if err := p.find(ctx, ids); err != nil {
		return twinInputs{}, err
	}
	versions := versionsOf(p.times(), at)
	first, last := p.span(versions)
	number := func(v int64) string { return strconv.FormatInt(v, 10) }
	in := twinInputs{parameters: clickhouse.Parameters{
		"app": app, "from": versions.from(), "first": number(first), "last": number(last), "revision": number(attribution.Revision),
		"max_keys": number(attribution.MaxKeys), "max_hops": number(attribution.MaxHops), "max_links": number(attribution.MaxLinks),
		"max_touches": number(attribution.MaxTouches), "max_after": number(attribution.MaxTouchesAfter), "install_after": number(attribution.Day),
		"named_after": number(attribution.NamedAfter),
		"max_claims":  number(attribution.MaxClaims), "never": number(attribution.Never),
		"max_probable": number(attribution.MaxProbables), "max_openings": number(attribution.MaxOpenings),
	}}
	addRules(in.parameters)
	for _, table := range []func() (*ext.Table, error){p.wanted, p.known, versions.settings, versions.overrides} {
		t, err := table()
		if err != nil {
			return in, err
		}
		in.tables = append(in.tables, t)
	}
	return in, nil
}
