package report

// PathRow is a path that conversions had in common: the media sources of its
// touches in order, none for organic ones.
type PathRow struct {
	Path              []string `json:"path"`
	Conversions       uint64   `json:"conversions"`
	Share             float64  `json:"share"` // of the conversions
	RevenueByCurrency []Money  `json:"revenue_by_currency"`
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
	Paths       []PathRow    `json:"paths"`
	Lengths     []PathLength `json:"lengths"`
	Lags        []PathLag    `json:"lags"`
}

// PathsStatements are the statements of a paths report.
type PathsStatements struct {
	Top     Statement // path, conversions, currencies and the revenue in each in millionths as text
	Lengths Statement // touches, conversions
	Lags    Statement // days, conversions
}

// Paths returns the statements of the paths report of a valid query.
func (q *Query) Paths() PathsStatements {
	from := func(s *Statement) *Statement {
		s.add("FROM attributions FINAL ").within(q).madeIn(q)
		if len(q.MediaSources) > 0 {
			s.add("\n    AND hasAny("+orOrganic("touches_media_source")+", ?)", q.MediaSources)
		}
		return s
	}
	var p PathsStatements
	p.Top.add("SELECT path, sum(n) AS conversions, groupArrayIf(money, paid), groupArrayIf(toString(amount), paid) FROM (\n" +
		"    SELECT touches_media_source AS path, has_revenue AS paid, if(has_revenue, currency, '') AS money, count() AS n, sum(toInt128(revenue)) AS amount\n    ")
	from(&p.Top).add("\n    GROUP BY path, paid, money ORDER BY path, money)\nGROUP BY path ORDER BY conversions DESC, path LIMIT ?", q.limit())
	p.Lengths.add("SELECT length(touches_id) AS touches, count()\n")
	from(&p.Lengths).add("\nGROUP BY touches ORDER BY touches LIMIT ?", maxGroups)
	p.Lags.add("SELECT intDiv(time - touches_time[1], 86400000) AS days, count()\n")
	from(&p.Lags).add("\n    AND notEmpty(touches_time)\nGROUP BY days ORDER BY days LIMIT ?", maxGroups)
	return p
}

// PathSum is a row of the statement of the most frequent paths.
type PathSum struct {
	Path        []string
	Conversions uint64
	Currencies  []string
	Amounts     []string
}

// PathsOf puts the report together.
func (q *Query) PathsOf(top []PathSum, lengths []PathLength, lags []PathLag) (PathsResult, error) {
	result := PathsResult{Paths: []PathRow{}, Lengths: append([]PathLength{}, lengths...), Lags: append([]PathLag{}, lags...)}
	for _, l := range lengths {
		result.Conversions += l.Conversions
	}
	for _, s := range top {
		var g amounts
		for i, currency := range s.Currencies {
			amount, err := amountOf(currency, s.Amounts[i], "", "")
			if err != nil {
				return result, err
			}
			g.add(amount)
		}
		row := PathRow{Path: append([]string{}, s.Path...), Conversions: s.Conversions, RevenueByCurrency: g.byCurrency()}
		if result.Conversions > 0 {
			row.Share = float64(s.Conversions) / float64(result.Conversions)
		}
		result.Paths = append(result.Paths, row)
	}
	return result, nil
}
