package report

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// overviewSQL are the statements of an overview. Every message is counted once,
// however often it was sent.
type overviewSQL struct {
	Events      Statement // count
	Touches     Statement // kind, count
	Conversions Statement // installs without an attribution yet, conversions
	Installs    Statement // new, attributed, view-through, organic, unattributed, reinstalls, re-attributions
	Reengaged   Statement // count
	Names       Statement // conversion event, count
	Revenue     Statement // currency, sum of millionths as text, converted, without a rate, gross, untrusted
	Fresh       Statement // newest received stamp, 0 if nothing is stored
}

// Overview counts the facts in the range of a valid query, every message once,
// beside the period that it is compared with.
func Overview(ctx context.Context, store Store, q Query) (OverviewResult, error) {
	compare := q.Given.Get("compare")
	if !slices.Contains([]string{"", "previous", "year"}, compare) {
		return OverviewResult{}, invalid("compare must be previous or year")
	}
	result, err := overview(ctx, store, q)
	if err != nil || compare == "" {
		return result, err
	}
	earlier := q
	earlier.From, earlier.To = q.before(compare)
	before, err := overview(ctx, store, earlier)
	before.FreshUntil = nil
	result.Previous, result.PreviousRange = &before, &Period{earlier.From, earlier.To}
	return result, err
}

func overview(ctx context.Context, store Store, q Query) (OverviewResult, error) {
	result := OverviewResult{Revenue: []Earnings{}, EventsBy: []EventCount{}, Cost: []Money{}}
	if err := q.settle(ctx, store); err != nil {
		return result, fmt.Errorf("read overview: %w", err)
	}
	sql := overviewStatements(&q)
	var revenue []CurrencySum
	var pending uint64
	by := &result.InstallsBy
	parts := []Part{
		{sql.Events, func(r Row) error { return r.Scan(&result.Events) }},
		{sql.Touches, result.scanTouches},
		{sql.Conversions, func(r Row) error { return r.Scan(&pending, &result.Conversions) }},
		{sql.Installs, func(r Row) error {
			return r.Scan(&result.Installs, &by.Attributed, &by.ViewThrough, &by.Organic, &by.Unattributed, &result.Reinstalls, &result.Reattributions)
		}},
		{sql.Reengaged, func(r Row) error { return r.Scan(&result.Reengagements) }},
		into(&result.EventsBy, sql.Names, func(r Row, n *EventCount) error { return r.Scan(&n.Event, &n.Count) }),
		into(&revenue, sql.Revenue, func(r Row, s *CurrencySum) error {
			return r.Scan(&s.Currency, &s.Sum, &s.Exact, &s.Unknown, &s.Gross, &s.Untrusted)
		}),
		{sql.Fresh, func(r Row) error {
			var newest int64
			err := r.Scan(&newest)
			result.FreshUntil = stamp(newest)
			return err
		}},
	}
	costs := make([]amounts, len(costsOf(&q)))
	for i, c := range costsOf(&q) {
		parts = append(parts, costs[i].part(&q, c))
	}
	if err := store.Read(ctx, parts...); err != nil {
		return result, fmt.Errorf("read overview: %w", err)
	}
	result.Installs += pending
	var spent amounts
	for i := range costs {
		spent.addAll(&costs[i])
	}
	result.Cost = spent.byCurrency()
	var err error
	if result.Converted, err = q.convertedOf(revenue); err != nil {
		return result, err
	}
	result.Revenue, err = revenueOf(revenue)
	return result, err
}

// part adds costs up by currency.
func (l *amounts) part(q *Query, c summing) Part {
	var s Statement
	s.add("SELECT x_currency, toString(sum(toInt128(x_cost)))\n").joined(q, c.st, nil, false).add("\nGROUP BY x_currency LIMIT ?", maxGroups)
	return Part{s, func(r Row) error {
		var currency, sum string
		if err := r.Scan(&currency, &sum); err != nil {
			return err
		}
		a, err := amountOf(currency, sum, "0", "0")
		if err == nil {
			l.add(a)
		}
		return err
	}}
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
	if fromSums(q, EventFact) {
		o.Events.add("SELECT sum(n) FROM (").summed(q, EventFact).add(")")
	} else {
		o.Events.add("SELECT uniqExact(event_id) FROM events FINAL\n").within(q).sources(q).countries(q).undisputed(q).only(q, "event_id", eventStream)
	}
	if fromSums(q, TouchFact) {
		o.Touches.add("SELECT kind, sum(n) FROM (").summed(q, TouchFact).add(")\nGROUP BY kind ORDER BY kind")
	} else {
		o.Touches.add("SELECT kind_of, count() FROM (\n    SELECT argMax(kind, version) AS kind_of FROM touches FINAL\n    ").
			within(q).sources(q).countries(q).decided(q, "touch").only(q, "touch_id", touchStream).
			add("\n    GROUP BY touch_id)\nGROUP BY kind_of ORDER BY kind_of")
	}
	if fromSums(q, ConversionFact) {
		o.summedConversions(q)
	} else {
		o.countedConversions(q)
	}
	o.Revenue.add("\nGROUP BY currency ORDER BY currency LIMIT ?", maxGroups)
	o.Installs.add("SELECT countIf(x_new), countIf(x_new AND x_outcome = 'non_organic' AND NOT x_view), countIf(x_new AND x_view), countIf(x_new AND "+
		"x_outcome = 'organic'),\n"+
		"    countIf(x_new AND x_outcome = 'unattributed'), countIf(x_outcome = 'reinstall'), countIf(x_outcome = 're_attribution')\n").
		joined(q, installStream(q), nil, false)

	o.Reengaged.add("SELECT count()\n").joined(q, reengagedStream(q), nil, false)

	o.Fresh.add("SELECT max(newest) FROM changed_hours\nWHERE app_id = ? AND fact = 0", q.App)
	return o
}

// countedConversions reads rows.
func (o *overviewSQL) countedConversions(q *Query) {
	o.Conversions.add("SELECT countIf(install AND conversion_id NOT IN (SELECT conversion_id FROM attributions ").within(q).
		add(")), count() FROM (\n    SELECT conversion_id, argMax(install, version) AS install FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).decided(q, "conversion").add("\n    GROUP BY conversion_id)")

	o.Names.add("SELECT called, count() AS n FROM (\n    SELECT argMax(name, version) AS called, argMax(install, version) AS new FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).decided(q, "conversion").add("\n    GROUP BY conversion_id)\nWHERE NOT new GROUP BY called ORDER BY n DESC, "+
		"called LIMIT ?", maxNames)

	o.Revenue.add("SELECT currency, toString(sum(amount))").exact(q, "amount").add(", toString(sum(above)), toString(sum(claimed))").
		add("\nFROM (SELECT currency, "+q.day("at")+", sum(toInt128(revenue)) AS amount, sum(toInt128(greatest(revenue, 0))) AS above, "+
			"sumIf(toInt128(revenue), claim) AS claimed FROM (\n"+
			"    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid,\n"+
			"        argMax(untrusted, version) AS claim, argMax(time, version) AS at\n    FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).decided(q, "conversion").
		add("\n    GROUP BY conversion_id HAVING paid)\n    GROUP BY currency, day").append(repeated(q)).add(")").rates(q)
}

// repeated takes the revenue of orders that were named again away, for an order counts once.
func repeated(q *Query) Statement {
	var s Statement
	return *s.add("\n    UNION ALL SELECT currency, "+q.day("at")+", -sum(toInt128(revenue)) AS amount, -sum(toInt128(greatest(revenue, 0))) AS above,\n"+
		"        -sumIf(toInt128(revenue), claim) AS claimed FROM (\n"+
		"    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid,\n"+
		"        argMax(untrusted, version) AS claim, argMax(time, version) AS at\n    FROM conversions FINAL\n    ").
		within(q).countries(q).creditedTo(q).decided(q, "conversion").
		add("\n    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL ").within(q).
		add(" AND repeat_of != '')\n    GROUP BY conversion_id HAVING paid)\n    GROUP BY currency, day")
}

// summedConversions reads sums, and rows only of installs that may have no attribution yet.
func (o *overviewSQL) summedConversions(q *Query) {
	o.Conversions.add("SELECT (SELECT count() FROM conversions FINAL ").within(q).countries(q).decided(q, "conversion").
		add(" AND install AND conversion_id NOT IN (SELECT conversion_id FROM attributions ").within(q).add(" AND install)),\n    sum(n) FROM (").
		summed(q, ConversionFact).add(")")
	o.Names.add("SELECT name, sum(n) AS total FROM (").summed(q, ConversionFact).
		add(")\nWHERE kind != 'install' GROUP BY name ORDER BY total DESC, name LIMIT ?", maxNames)
	o.Revenue.add("SELECT currency, toString(sum(amount))").exact(q, "amount").add(", toString(sum(above)), toString(sum(claimed))").
		add("\nFROM (SELECT currency, "+q.day("quarter * 900000")+", sum(revenue) AS amount, sum(gross) AS above, sum(untrusted) AS claimed FROM (").
		summed(q, ConversionFact).add(")\n    WHERE paid > 0 GROUP BY currency, day").append(repeated(q)).add(")").rates(q)
}

// CurrencySum is an amount in millionths as SQL gives it.
type CurrencySum struct {
	Currency string
	Sum      string
	Exact    string // as in CreditSum
	Unknown  string

	Gross, Untrusted string
}

// maxNames bounds the conversion events that an overview tells of.
const maxNames = 200

// convertedOf returns the amounts together in the currency that the query names, nil if
// it names none.
func (q *Query) convertedOf(sums []CurrencySum) (*Converted, error) {
	var all amounts
	for _, s := range sums {
		a, err := amountOf(s.Currency, s.Sum, s.Exact, s.Unknown)
		if err != nil {
			return nil, err
		}
		all.add(a)
	}
	if q.Currency == "" {
		return nil, nil
	}
	return &Converted{Money{q.Currency, all.converted()}, all.unconverted()}, nil
}

// revenueOf tells the amounts of each currency apart.
func revenueOf(sums []CurrencySum) ([]Earnings, error) {
	list := []Earnings{}
	for _, s := range sums {
		var n [3]*big.Int
		for i, text := range []string{s.Sum, cmp.Or(s.Gross, "0"), cmp.Or(s.Untrusted, "0")} {
			var err error
			if n[i], err = integer(text); err != nil {
				return nil, err
			}
		}
		refunds := new(big.Int).Sub(n[1], n[0])
		list = append(list, Earnings{Money{s.Currency, millionths(n[0])}, millionths(n[1]), millionths(refunds), millionths(n[2])})
	}
	slices.SortFunc(list, func(a, b Earnings) int { return cmp.Compare(a.Currency, b.Currency) })
	return list, nil
}

// stamp returns the time of a stamp in milliseconds, nil for 0.
func stamp(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}
