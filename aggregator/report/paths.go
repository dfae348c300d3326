package report

import (
	"context"
	"fmt"
)

// PathRow is a path that conversions had in common: the media sources of its
// touches in order, none for organic ones.
type PathRow struct {
	Path              []string `json:"path"`
	Conversions       uint64   `json:"conversions"`
	Share             float64  `json:"share"`   // of the conversions
	Revenue           Decimal  `json:"revenue"` // in the result's currency
	RevenueByCurrency []Money  `json:"revenue_by_currency"`
	Unconverted       []Money  `json:"unconverted,omitempty"` // not in Revenue, for want of a rate
}

// PathLength counts conversions by the touches on their paths.
type PathLength struct {
	Touches     uint64 `json:"touches"`
	Conversions uint64 `json:"conversions"`
}

// PathLag counts conversions by the whole days from their first touch.
type PathLag struct {
	Days        int64  `json:"days"`
	Conversions uint64 `json:"conversions"`
}

// PathsResult is how people came to the conversions of a range: the most frequent
// paths, and how long all of them were, in touches and in days. Organic
// conversions have a length of 0 and no lag.
type PathsResult struct {
	Conversions uint64       `json:"conversions"`
	Currency    string       `json:"currency"`
	Paths       []PathRow    `json:"paths"`
	Lengths     []PathLength `json:"lengths"`
	Lags        []PathLag    `json:"lags"`
}

// pathsSQL are the statements of a paths report.
type pathsSQL struct {
	Top     Statement // path, conversions, currencies and for each of these conversions and sums as in CreditSum
	Lengths Statement // touches, conversions
	Lags    Statement // days, conversions
}

// Paths tells how people came to the conversions of the range of a valid query.
func Paths(ctx context.Context, store Store, q Query) (PathsResult, error) {
	var top []PathSum
	var lengths []PathLength
	var lags []PathLag
	sql := pathsStatements(&q)
	err := store.Read(ctx,
		into(&top, sql.Top, func(r Row, s *PathSum) error {
			return r.Scan(&s.Path, &s.Conversions, &s.Currencies, &s.Paid, &s.Amounts, &s.Exact, &s.Unknown)
		}),
		into(&lengths, sql.Lengths, func(r Row, l *PathLength) error { return r.Scan(&l.Touches, &l.Conversions) }),
		into(&lags, sql.Lags, func(r Row, l *PathLag) error { return r.Scan(&l.Days, &l.Conversions) }))
	if err != nil {
		return PathsResult{}, fmt.Errorf("read paths: %w", err)
	}
	return q.pathsOf(top, lengths, lags)
}

func pathsStatements(q *Query) pathsSQL {
	from := func(s *Statement) *Statement {
		s.add("FROM attributions FINAL ").within(q).madeIn(q)
		if len(q.MediaSources) > 0 {
			s.add("\n    AND hasAny("+orOrganic("touches_media_source")+", ?)", q.MediaSources)
		}
		return s
	}
	var p pathsSQL
	p.Top.add("SELECT path, sum(n) AS conversions, groupArrayIf(currency, paid), groupArrayIf(n, paid), groupArrayIf(toString(sums), paid), "+
		"groupArrayIf(exact, paid), groupArrayIf(unknown, paid) FROM (\n"+
		"    SELECT path, paid, currency, sum(n) AS n, sum(amount) AS sums").exact(q, "amount").
		add("\n    FROM (SELECT ").shownSources(q, "touches_media_source").add(" AS path, has_revenue AS paid, currency, " + q.day("time") +
		", count() AS n, sum(toInt128(revenue)) AS amount\n    ")
	from(&p.Top).add("\n    GROUP BY path, paid, currency, day)").rates(q).
		add("\n    GROUP BY path, paid, currency ORDER BY path, currency)\nGROUP BY path ORDER BY conversions DESC, path LIMIT ?", q.limit())
	p.Lengths.add("SELECT length(touches_id) AS touches, count()\n")
	from(&p.Lengths).add("\nGROUP BY touches ORDER BY touches LIMIT ?", maxGroups)
	p.Lags.add("SELECT intDiv(time - touches_time[1], 86400000) AS days, count()\n")
	from(&p.Lags).add("\n    AND notEmpty(touches_time)\nGROUP BY days ORDER BY days LIMIT ?", maxGroups)
	return p
}

// PathSum is a row of the statement of the most frequent paths. The fields that are
// lists have an entry for each currency.
type PathSum struct {
	Path        []string
	Conversions uint64
	Currencies  []string
	Paid        []uint64
	Amounts     []string
	Exact       []string
	Unknown     []string
}

// pathsOf puts the report together. Without a currency of the query that of most of
// the conversions is taken, as an attribution report does.
func (q *Query) pathsOf(top []PathSum, lengths []PathLength, lags []PathLag) (PathsResult, error) {
	result := PathsResult{Paths: []PathRow{}, Lengths: append([]PathLength{}, lengths...), Lags: append([]PathLag{}, lags...)}
	for _, l := range lengths {
		result.Conversions += l.Conversions
	}
	frequency := make(map[string]int64)
	for _, s := range top {
		for i, currency := range s.Currencies {
			frequency[currency] += int64(s.Paid[i])
		}
	}
	result.Currency = q.pickCurrency(frequency)
	for _, s := range top {
		row, err := q.pathRow(s, result.Currency)
		if err != nil {
			return result, err
		}
		if result.Conversions > 0 {
			row.Share = float64(s.Conversions) / float64(result.Conversions)
		}
		result.Paths = append(result.Paths, row)
	}
	return result, nil
}

func (q *Query) pathRow(s PathSum, currency string) (PathRow, error) {
	row := PathRow{Path: append([]string{}, s.Path...), Conversions: s.Conversions}
	var all amounts
	for i, name := range s.Currencies {
		amount, err := amountOf(name, s.Amounts[i], s.Exact[i], s.Unknown[i])
		if err != nil {
			return row, err
		}
		all.add(amount)
	}
	row.Revenue = all.in(currency)
	if q.Currency != "" {
		row.Revenue = all.converted()
	}
	row.RevenueByCurrency, row.Unconverted = all.byCurrency(), all.unconverted()
	return row, nil
}
