package warehouse

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Read runs the statements of a report at the same time and gives every row to its
// part; it makes a report.Store of the warehouse.
func (w *server) Read(ctx context.Context, parts ...report.Part) error {
	if len(parts) == 1 {
		return w.answer(ctx, parts[0])
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		g.Go(func() error { return w.answer(ctx, p) })
	}
	return g.Wait()
}

func (w *server) answer(ctx context.Context, p report.Part) error {
	var tables []*ext.Table
	if p.Converts {
		table, err := dayRates(p.Rates)
		if err != nil {
			return err
		}
		tables = append(tables, table)
	}
	if len(p.Buckets) > 0 {
		table, err := bucketTable(p.Buckets)
		if err != nil {
			return err
		}
		tables = append(tables, table)
	}
	if len(tables) > 0 {
		ctx = clickhouse.Context(ctx, clickhouse.WithExternalTable(tables...))
	}
	return each(ctx, w.read, func(rows driver.Rows) error { return p.Row(rows) }, p.SQL, p.Args...)
}

// dayRates is the table that statements convert with; empty, it has a row that is
// of no currency, for a table without rows is not sent.
func dayRates(rates []report.DayRate) (*ext.Table, error) {
	table, err := ext.NewTable("day_rates", ext.Column("day", "Int32"), ext.Column("currency", "String"), ext.Column("rate", "Int128"))
	if err != nil {
		return nil, fmt.Errorf("make table of rates: %w", err)
	}
	if len(rates) == 0 {
		rates = []report.DayRate{{Rate: new(big.Int)}}
	}
	for _, r := range rates {
		if err := table.Append(r.Day, r.Currency, r.Rate); err != nil {
			return nil, fmt.Errorf("fill table of rates: %w", err)
		}
	}
	return table, nil
}

// bucketTable is the table of the buckets that a statement reads.
func bucketTable(buckets []report.Bucket) (*ext.Table, error) {
	table, err := ext.NewTable("buckets", ext.Column("fact", "UInt8"), ext.Column("hour", "UInt32"), ext.Column("as_of", "Int64"))
	if err != nil {
		return nil, fmt.Errorf("make table of buckets: %w", err)
	}
	facts, hours, versions := make([]uint8, len(buckets)), make([]uint32, len(buckets)), make([]int64, len(buckets))
	for i, b := range buckets {
		facts[i], hours[i], versions[i] = uint8(b.Fact), b.Hour, b.AsOf
	}
	for i, values := range []any{facts, hours, versions} {
		if _, err := table.Block().Columns[i].Append(values); err != nil {
			return nil, fmt.Errorf("fill table of buckets: %w", err)
		}
	}
	return table, nil
}
