package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Paths tells how people came to the conversions of a range.
func (w *Warehouse) Paths(ctx context.Context, q report.Query) (report.PathsResult, error) {
	if err := q.Validate(); err != nil {
		return report.PathsResult{}, err
	}
	var top []report.PathSum
	var lengths []report.PathLength
	var lags []report.PathLag
	sql := q.Paths()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return w.answer(ctx, sql.Top, func(rows driver.Rows) error {
			var s report.PathSum
			err := rows.Scan(&s.Path, &s.Conversions, &s.Currencies, &s.Paid, &s.Amounts, &s.Exact, &s.Unknown)
			top = append(top, s)
			return err
		})
	})
	g.Go(func() error {
		return w.answer(ctx, sql.Lengths, func(rows driver.Rows) error {
			var l report.PathLength
			err := rows.Scan(&l.Touches, &l.Conversions)
			lengths = append(lengths, l)
			return err
		})
	})
	g.Go(func() error {
		return w.answer(ctx, sql.Lags, func(rows driver.Rows) error {
			var l report.PathLag
			err := rows.Scan(&l.Days, &l.Conversions)
			lags = append(lags, l)
			return err
		})
	})
	if err := g.Wait(); err != nil {
		return report.PathsResult{}, fmt.Errorf("read paths: %w", err)
	}
	return q.PathsOf(top, lengths, lags)
}
