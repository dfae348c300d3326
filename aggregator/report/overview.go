package report

import (
	"cmp"
	"slices"
	"time"
)

// OverviewSQL are the statements of an overview. Every message is counted once,
// however often it was sent.
type OverviewSQL struct {
	Events      Statement // count
	Touches     Statement // kind, count
	Conversions Statement // installs, conversions
	Revenue     Statement // currency, sum of millionths as text
	Fresh       Statement // newest received stamp, 0 if nothing is stored
}

// Overview returns the statements of an overview of a valid query.
func (q *Query) Overview() OverviewSQL {
	var o OverviewSQL
	o.Events.add("SELECT uniqExact(event_id) FROM events FINAL\n").within(q).sources(q).countries(q)

	o.Touches.add("SELECT kind_of, count() FROM (\n    SELECT argMax(kind, version) AS kind_of FROM touches FINAL\n    ").
		within(q).sources(q).countries(q).add("\n    GROUP BY touch_id)\nGROUP BY kind_of ORDER BY kind_of")

	o.Conversions.add("SELECT countIf(install), count() FROM (\n    SELECT argMax(install, version) AS install FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).add("\n    GROUP BY conversion_id)")

	o.Revenue.add("SELECT currency, toString(sum(toInt128(revenue))) FROM (\n"+
		"    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid\n"+
		"    FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).
		add("\n    GROUP BY conversion_id HAVING paid)\nGROUP BY currency ORDER BY currency LIMIT ?", maxGroups)

	o.Fresh.add("SELECT max(received) FROM events\nWHERE app_id = ?", q.App)
	return o
}

// CurrencySum is an amount in millionths as SQL gives it.
type CurrencySum struct {
	Currency string
	Sum      string
}

// MoneyOf returns the amounts, by currency.
func MoneyOf(sums []CurrencySum) ([]Money, error) {
	list := make([]Money, 0, len(sums))
	for _, s := range sums {
		n, err := integer(s.Sum)
		if err != nil {
			return nil, err
		}
		list = append(list, Money{s.Currency, millionths(n)})
	}
	slices.SortFunc(list, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) })
	return list, nil
}

// Stamp returns the time of a stamp in milliseconds, nil for 0.
func Stamp(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}
