package report

import (
	"context"
	"fmt"
	"time"
)

// overviewSQL are the statements of an overview. Every message is counted once,
// however often it was sent.
type overviewSQL struct {
	Events      Statement // count
	Touches     Statement // kind, count
	Conversions Statement // installs, conversions
	Revenue     Statement // currency, sum of millionths as text
	Fresh       Statement // newest received stamp, 0 if nothing is stored
}

// Overview counts what is stored in the range of a valid query, every message once.
func Overview(ctx context.Context, store Store, q Query) (OverviewResult, error) {
	result := OverviewResult{Revenue: []Money{}}
	if err := q.settle(ctx, store); err != nil {
		return result, fmt.Errorf("read overview: %w", err)
	}
	sql := overviewStatements(&q)
	var revenue []CurrencySum
	err := store.Read(ctx,
		Part{sql.Events, func(r Row) error { return r.Scan(&result.Events) }},
		Part{sql.Touches, result.scanTouches},
		Part{sql.Conversions, func(r Row) error { return r.Scan(&result.Installs, &result.Conversions) }},
		into(&revenue, sql.Revenue, func(r Row, s *CurrencySum) error { return r.Scan(&s.Currency, &s.Sum, &s.Exact, &s.Unknown) }),
		Part{sql.Fresh, func(r Row) error {
			var newest int64
			err := r.Scan(&newest)
			result.FreshUntil = stamp(newest)
			return err
		}})
	if err != nil {
		return result, fmt.Errorf("read overview: %w", err)
	}
	result.Revenue, result.Converted, err = q.moneyOf(revenue)
	return result, err
}

func (o *OverviewResult) scanTouches(r Row) error {
	var kind string
	var n uint64
	err := r.Scan(&kind, &n)
	switch kind {
	case "click":
		o.Clicks = n
	case "impression":
		o.Impressions = n
	}
	return err
}

func overviewStatements(q *Query) overviewSQL {
	var o overviewSQL
	o.Events.add("SELECT uniqExact(event_id) FROM events FINAL\n").within(q).sources(q).countries(q).undisputed(q)

	o.Touches.add("SELECT kind_of, count() FROM (\n    SELECT argMax(kind, version) AS kind_of FROM touches FINAL\n    ").
		within(q).sources(q).countries(q).decided(q, "touch").add("\n    GROUP BY touch_id)\nGROUP BY kind_of ORDER BY kind_of")

	o.Conversions.add("SELECT countIf(install), count() FROM (\n    SELECT argMax(install, version) AS install FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).decided(q, "conversion").add("\n    GROUP BY conversion_id)")

	o.Revenue.add("SELECT currency, toString(sum(amount))").exact(q, "amount").
		add("\nFROM (SELECT currency, "+q.day("at")+", sum(toInt128(revenue)) AS amount FROM (\n"+
			"    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid, argMax(time, "+
			"version) AS at\n"+
			"    FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).decided(q, "conversion").
		add("\n    GROUP BY conversion_id HAVING paid)\n    GROUP BY currency, day)").rates(q).
		add("\nGROUP BY currency ORDER BY currency LIMIT ?", maxGroups)

	o.Fresh.add("SELECT max(received) FROM events\nWHERE app_id = ?", q.App)
	return o
}

// CurrencySum is an amount in millionths as SQL gives it.
type CurrencySum struct {
	Currency string
	Sum      string
	Exact    string // as in CreditSum
	Unknown  string
}

// moneyOf returns the amounts, by currency, and together in the currency that the
// query names, nil if it names none.
func (q *Query) moneyOf(sums []CurrencySum) ([]Money, *Converted, error) {
	var all amounts
	for _, s := range sums {
		a, err := amountOf(s.Currency, s.Sum, s.Exact, s.Unknown)
		if err != nil {
			return nil, nil, err
		}
		all.add(a)
	}
	if q.Currency == "" {
		return all.byCurrency(), nil, nil
	}
	return all.byCurrency(), &Converted{Money{q.Currency, all.converted()}, all.unconverted()}, nil
}

// stamp returns the time of a stamp in milliseconds, nil for 0.
func stamp(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}
