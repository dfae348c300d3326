package main

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// insertBlock is how many rows the plain insert writes in one block: more made no difference.
const insertBlock = 50_000

// limit writes rows of events into a table like it, synced like it, one block after the other on one
// connection: no agent, no wire, no facts, no attribution.
func (p *pipe) limit(ctx context.Context, rows int) (pipelineCell, error) {
	c := pipelineCell{Name: "insert"}
	for _, statement := range []string{"DROP TABLE IF EXISTS bench_events", "CREATE TABLE bench_events AS events"} {
		if err := p.conn.Exec(ctx, statement); err != nil {
			return c, fmt.Errorf("make a table like events: %w", err)
		}
	}
	names, columns, n, err := p.sample(ctx)
	if err != nil {
		return c, fmt.Errorf("read events: %w", err)
	}
	house := &processTime{pid: p.server.core.clickHouse.Process().PID()}
	before, err := readCounters(ctx, p.conn)
	if err == nil {
		err = house.mark()
	}
	if err != nil {
		return c, err
	}
	own, began := ownCPU(), time.Now()
	for c.Events < rows {
		ctx := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0, "deduplicate_insert": "disable"}))
		batch, err := p.conn.PrepareBatch(ctx, "INSERT INTO bench_events ("+names+")")
		if err != nil {
			return c, fmt.Errorf("insert: %w", err)
		}
		for i, values := range columns {
			if err := batch.Column(i).Append(values); err != nil {
				return c, fmt.Errorf("insert: %w", err)
			}
		}
		if err := batch.Send(); err != nil {
			return c, fmt.Errorf("insert: %w", err)
		}
		c.Events += n
	}
	c.Stored = time.Since(began).Seconds()
	c.PerSecond, c.AgentMicros = float64(c.Events)/c.Stored, (ownCPU()-own).Seconds()*1e6/float64(c.Events)
	if err := (&population{conn: p.conn}).settle(ctx); err != nil {
		return c, err
	}
	used, err := house.since()
	if err != nil {
		return c, err
	}
	c.ClickHouse = used.Seconds() * 1e6 / float64(c.Events)
	after, err := readCounters(ctx, p.conn)
	c.count(before, after)
	return c, err
}

// sample are the columns of some stored events, each a slice of values, and how many.
func (p *pipe) sample(ctx context.Context) (names string, columns []any, n int, err error) {
	err = p.conn.QueryRow(ctx, `SELECT arrayStringConcat(groupArray(name), ', ') FROM
(SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'events' AND default_kind != 'MATERIALIZED' ORDER BY position)`).Scan(&names)
	if err != nil {
		return names, nil, 0, err
	}
	rows, err := p.conn.Query(ctx, "SELECT "+names+" FROM events WHERE app_id = ? LIMIT ?", p.app, insertBlock)
	if err != nil {
		return names, nil, 0, err
	}
	defer rows.Close()
	lists, fields := slicesFor(rows.ColumnTypes())
	for ; rows.Next(); n++ {
		if err := rows.Scan(fields...); err != nil {
			return names, nil, 0, err
		}
		for i := range lists {
			lists[i] = reflect.Append(lists[i], reflect.ValueOf(fields[i]).Elem())
		}
	}
	for _, l := range lists {
		columns = append(columns, l.Interface())
	}
	return names, columns, n, rows.Err()
}

// slicesFor are an empty list and a place to scan a value into for each column.
func slicesFor(types []chdriver.ColumnType) (lists []reflect.Value, fields []any) {
	for _, t := range types {
		lists = append(lists, reflect.MakeSlice(reflect.SliceOf(t.ScanType()), 0, insertBlock))
		fields = append(fields, reflect.New(t.ScanType()).Interface())
	}
	return lists, fields
}
