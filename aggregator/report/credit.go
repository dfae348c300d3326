package report

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
)

// Attribution returns the statement of an attribution report of a valid query.
// It answers with the dimensions, whether there is revenue, its currency, and
// the sums of credit and of revenue in millionths as text.
func (q *Query) Attribution() Statement {
	model := q.Model.String()
	var s Statement
	s.add("SELECT " + names(q.dimensions()) + ", paid, currency, toString(sum(toInt128(credit))), toString(sum(toInt128(share))) FROM (\n" +
		"    SELECT has_revenue AS paid, if(has_revenue, currency, '') AS currency")
	for _, d := range q.dimensions() {
		s.add(", path_" + string(d) + " AS " + string(d))
	}
	s.add(", credit, share\n    FROM (SELECT * FROM attributions FINAL ").within(q).madeIn(q).add(")\n    ARRAY JOIN")
	for _, d := range q.dimensions() {
		empty := "['']"
		if d == MediaSource {
			empty = "['organic']"
		}
		s.add(" if(empty(touches_id), " + empty + ", touches_" + string(d) + ") AS path_" + string(d) + ",")
	}
	s.add("\n        if(empty(touches_id), [1000000], credit_" + model + ") AS credit, if(empty(touches_id), [revenue], revenue_" + model + ") AS share")
	if len(q.MediaSources) > 0 {
		s.add(",\n        "+orOrganic("touches_media_source")+" AS source_of\n    WHERE source_of IN (?)", q.MediaSources)
	}
	s.add(")\nGROUP BY "+names(q.dimensions())+", paid, currency LIMIT ?", maxGroups)
	return s
}

// dimensions are those asked for, the media source if none is.
func (q *Query) dimensions() []Dimension {
	if len(q.GroupBy) == 0 {
		return []Dimension{MediaSource}
	}
	return q.GroupBy
}

// CreditSum is a row of an attribution report's statement.
type CreditSum struct {
	Group    []string // a value for each dimension
	Paid     bool
	Currency string
	Credit   string
	Revenue  string
}

// group is what is summed up for one row, or for the total.
type group struct {
	names   []string
	credit  big.Int
	revenue map[string]*big.Int
}

func (g *group) add(currency string, paid bool, credit, revenue *big.Int) {
	g.credit.Add(&g.credit, credit)
	if !paid {
		return
	}
	if g.revenue == nil {
		g.revenue = make(map[string]*big.Int)
	}
	if g.revenue[currency] == nil {
		g.revenue[currency] = new(big.Int)
	}
	g.revenue[currency].Add(g.revenue[currency], revenue)
}

func (g *group) in(currency string) Decimal {
	if n := g.revenue[currency]; n != nil {
		return millionths(n)
	}
	return millionths(new(big.Int))
}

func (g *group) byCurrency() []Money {
	list := make([]Money, 0, len(g.revenue))
	for currency, n := range g.revenue {
		list = append(list, Money{currency, millionths(n)})
	}
	slices.SortFunc(list, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) })
	return list
}

// AttributionOf puts the report together. Everything is summed as integers, so
// the total is exactly the sum of the rows.
func (q *Query) AttributionOf(sums []CreditSum) (AttributionResult, error) {
	result := AttributionResult{Model: q.modelName(), GroupBy: q.dimensions(), Rows: []AttributionRow{}}
	if len(sums) >= maxGroups {
		return result, invalid("the report has more than %d groups: ask for fewer dimensions or a shorter range", maxGroups)
	}
	groups := make(map[string]*group)
	var order []*group
	var total group
	frequency := make(map[string]int64)
	for _, s := range sums {
		credit, err := integer(s.Credit)
		if err != nil {
			return result, err
		}
		revenue, err := integer(s.Revenue)
		if err != nil {
			return result, err
		}
		key := strings.Join(s.Group, "\x00")
		g := groups[key]
		if g == nil {
			g = &group{names: s.Group}
			groups[key] = g
			order = append(order, g)
		}
		g.add(s.Currency, s.Paid, credit, revenue)
		total.add(s.Currency, s.Paid, credit, revenue)
		if s.Paid {
			frequency[s.Currency] += credit.Int64()
		}
	}
	if len(order) > MaxRows {
		return result, invalid("the report has more than %d rows: ask for fewer dimensions or a shorter range", MaxRows)
	}
	slices.SortFunc(order, func(a, b *group) int { return cmp.Or(b.credit.Cmp(&a.credit), slices.Compare(a.names, b.names)) })
	result.Currency = q.pickCurrency(frequency)
	for _, g := range order {
		result.Rows = append(result.Rows, q.row(g, &total, result.Currency))
	}
	result.Total = AttributionTotal{millionths(&total.credit), total.in(result.Currency), total.byCurrency()}
	return result, nil
}

func (q *Query) row(g, total *group, currency string) AttributionRow {
	row := AttributionRow{Conversions: millionths(&g.credit), Revenue: g.in(currency), RevenueByCurrency: g.byCurrency()}
	if total.credit.Sign() != 0 {
		row.Share, _ = new(big.Rat).SetFrac(&g.credit, &total.credit).Float64()
	}
	for i, d := range q.dimensions() {
		name := &g.names[i]
		switch d {
		case MediaSource:
			row.MediaSource = name
		case Campaign:
			row.Campaign = name
		case AdSet:
			row.AdSet = name
		case Ad:
			row.Ad = name
		case Keyword:
			row.Keyword = name
		}
	}
	return row
}
