package warehouse

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// answer runs a report's statement and gives every row to scan.
func (w *Warehouse) answer(ctx context.Context, s report.Statement, scan func(driver.Rows) error) error {
	if s.Converts {
		table, err := dayRates(s.Rates)
		if err != nil {
			return err
		}
		ctx = clickhouse.Context(ctx, clickhouse.WithExternalTable(table))
	}
	return each(ctx, w.read, scan, s.SQL, s.Args...)
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

// Overview counts what is stored, every message once.
func (w *Warehouse) Overview(ctx context.Context, q report.Query) (report.OverviewResult, error) {
	result := report.OverviewResult{Revenue: []report.Money{}}
	if err := q.Validate(); err != nil {
		return result, err
	}
	var err error
	if q.Disputed, err = w.disputed(ctx, q.App); err != nil {
		return result, fmt.Errorf("read overview: %w", err)
	}
	sql := q.Overview()
	var revenue []report.CurrencySum
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return w.answer(ctx, sql.Events, func(rows driver.Rows) error { return rows.Scan(&result.Events) })
	})
	g.Go(func() error {
		return w.answer(ctx, sql.Touches, func(rows driver.Rows) error {
			var kind string
			var n uint64
			err := rows.Scan(&kind, &n)
			switch kind {
			case "click":
				result.Clicks = n
			case "impression":
				result.Impressions = n
			}
			return err
		})
	})
	g.Go(func() error {
		return w.answer(ctx, sql.Conversions, func(rows driver.Rows) error { return rows.Scan(&result.Installs, &result.Conversions) })
	})
	g.Go(func() error {
		return w.answer(ctx, sql.Revenue, func(rows driver.Rows) error {
			var s report.CurrencySum
			err := rows.Scan(&s.Currency, &s.Sum, &s.Exact, &s.Unknown)
			revenue = append(revenue, s)
			return err
		})
	})
	g.Go(func() error {
		return w.answer(ctx, sql.Fresh, func(rows driver.Rows) error {
			var newest int64
			err := rows.Scan(&newest)
			result.FreshUntil = report.Stamp(newest)
			return err
		})
	})
	if err := g.Wait(); err != nil {
		return result, fmt.Errorf("read overview: %w", err)
	}
	result.Revenue, result.Converted, err = q.MoneyOf(revenue)
	return result, err
}

// Timeseries counts or sums per interval of the query's time zone.
func (w *Warehouse) Timeseries(ctx context.Context, q report.Query) (report.TimeseriesResult, error) {
	if err := q.Validate(); err != nil {
		return report.TimeseriesResult{}, err
	}
	var sums []report.QuarterSum
	var err error
	if q.Metric == report.Events {
		if q.Disputed, err = w.disputed(ctx, q.App); err != nil {
			return report.TimeseriesResult{}, fmt.Errorf("read time series: %w", err)
		}
	}
	err = w.answer(ctx, q.Timeseries(), func(rows driver.Rows) error {
		var s report.QuarterSum
		err := rows.Scan(&s.Quarter, &s.Currency, &s.Sum, &s.Exact, &s.Unknown)
		sums = append(sums, s)
		return err
	})
	if err != nil {
		return report.TimeseriesResult{}, fmt.Errorf("read time series: %w", err)
	}
	return q.TimeseriesOf(sums)
}

// Attribution shares conversions and revenue out under one model.
func (w *Warehouse) Attribution(ctx context.Context, q report.Query) (report.AttributionResult, error) {
	if err := q.Validate(); err != nil {
		return report.AttributionResult{}, err
	}
	if q.DataDriven != "" {
		return w.dataDriven(ctx, q)
	}
	dimensions := max(len(q.GroupBy), 1)
	var sums []report.CreditSum
	err := w.answer(ctx, q.Attribution(), func(rows driver.Rows) error {
		s := report.CreditSum{Group: make([]string, dimensions)}
		fields := make([]any, 0, dimensions+6)
		for i := range s.Group {
			fields = append(fields, &s.Group[i])
		}
		err := rows.Scan(append(fields, &s.Paid, &s.Currency, &s.Credit, &s.Revenue, &s.Exact, &s.Unknown)...)
		sums = append(sums, s)
		return err
	})
	if err != nil {
		return report.AttributionResult{}, fmt.Errorf("read attribution report: %w", err)
	}
	return q.AttributionOf(sums)
}

// dataDriven shares conversions and revenue out by what all paths together tell.
func (w *Warehouse) dataDriven(ctx context.Context, q report.Query) (report.AttributionResult, error) {
	sums, err := w.Journeys(ctx, q)
	if err != nil {
		return report.AttributionResult{}, err
	}
	return q.DataDrivenOf(sums)
}

// Conversions returns a page of conversions, newest first.
func (w *Warehouse) Conversions(ctx context.Context, q report.Query) (report.ConversionsResult, error) {
	if err := q.Validate(); err != nil {
		return report.ConversionsResult{}, err
	}
	var list []report.ConversionRow
	err := w.answer(ctx, q.Conversions(), func(rows driver.Rows) error {
		var r report.ConversionRow
		err := rows.Scan(&r.ID, &r.Name, &r.Time, &r.Revenue, &r.Currency, &r.Outcome, &r.InstallSource, &r.InstallName,
			&r.LastSource, &r.LastName, &r.Touches)
		list = append(list, r)
		return err
	})
	if err != nil {
		return report.ConversionsResult{}, fmt.Errorf("read conversions: %w", err)
	}
	return q.ConversionsOf(list), nil
}

// Conversion returns one conversion of the query's app in full, whatever its
// time, and false if there is none that the person may see.
func (w *Warehouse) Conversion(ctx context.Context, q report.Query, id string) (report.ConversionResult, bool, error) {
	if err := q.Validate(); err != nil {
		return report.ConversionResult{}, false, err
	}
	rows, err := w.Attributions(ctx, q.App, []string{id})
	if err != nil || len(rows) == 0 || !q.Sees(&rows[0]) {
		return report.ConversionResult{}, false, err
	}
	if len(q.Countries) > 0 {
		seen, err := w.madeIn(ctx, q, id)
		if err != nil || !seen {
			return report.ConversionResult{}, false, err
		}
	}
	return report.ConversionOf(&rows[0]), true, nil
}

// madeIn reports whether a conversion was made in a country of the query.
func (w *Warehouse) madeIn(ctx context.Context, q report.Query, id string) (bool, error) {
	var country string
	err := w.answer(ctx, q.CountryOf(id), func(rows driver.Rows) error { return rows.Scan(&country) })
	if err != nil {
		return false, fmt.Errorf("read country of a conversion: %w", err)
	}
	return slices.Contains(q.Countries, country), nil
}
