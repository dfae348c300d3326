package report

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Attribution shares the conversions and the revenue of a valid query out under one
// model.
func Attribution(ctx context.Context, store Store, q Query) (AttributionResult, error) {
	if err := q.few(); err != nil {
		return AttributionResult{}, err
	}
	if q.DataDriven != "" {
		sums, err := Journeys(ctx, store, q)
		if err != nil {
			return AttributionResult{}, err
		}
		return q.DataDrivenOf(sums)
	}
	dimensions := len(q.dimensions())
	var sums []CreditSum
	err := store.Read(ctx, into(&sums, attributionSQL(&q), func(r Row, s *CreditSum) error {
		s.Group = make([]string, dimensions)
		fields := make([]any, 0, dimensions+6)
		for i := range s.Group {
			fields = append(fields, &s.Group[i])
		}
		return r.Scan(append(fields, &s.Paid, &s.Currency, &s.Credit, &s.Revenue, &s.Exact, &s.Unknown)...)
	}))
	if err != nil {
		return AttributionResult{}, fmt.Errorf("read attribution report: %w", err)
	}
	return q.attributionOf(sums)
}

// Sources is the attribution report that a list of sources and campaigns needs.
func Sources(ctx context.Context, store Store, q Query) (AttributionResult, error) {
	q.Model, q.DataDriven, q.GroupBy = attribution.LastTouch, "", []Dimension{MediaSource, Campaign}
	return Attribution(ctx, store, q)
}

// attributionSQL answers with the dimensions, whether there is revenue, its currency,
// and the sums of credit and of revenue in millionths as text.
func attributionSQL(q *Query) Statement {
	var s Statement
	model, groups := q.Model.String(), ""
	for i := range q.dimensions() {
		groups += fmt.Sprintf("g%d, ", i)
	}
	s.add("SELECT "+groups+"paid, currency, toString(sum(credits)), toString(sum(shares))").exact(q, "shares").add("\nFROM (SELECT ")
	for i, d := range q.dimensions() {
		s.add(q.expression(d) + fmt.Sprintf(" AS g%d, ", i))
	}
	st := creditStream(q, "", []string{model})
	s.add("x_paid AS paid, x_currency AS currency, "+q.day("x_at")+", sum(toInt128(credit_"+model+"_of)) AS credits, sum(toInt128(revenue_"+model+"_of)) "+
		"AS shares\n").
		joined(q, st, q.dimensions(), false).add("\nGROUP BY " + groups + "paid, currency, day)").rates(q)
	return *s.add("\nGROUP BY "+groups+"paid, currency LIMIT ?", maxGroups)
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
	Exact    string // converted, in 10^-24 units; "0" where nothing is
	Unknown  string // the part of Revenue that has no rate
}

// group holds the sums of one row, or of the total.
type group struct {
	names  []string
	credit big.Int
	amounts
}

// attributionOf puts the report together. Everything is summed as integers, so
// the total is exactly the sum of the rows.
func (q *Query) attributionOf(sums []CreditSum) (AttributionResult, error) {
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
		amount, err := amountOf(s.Currency, s.Revenue, s.Exact, s.Unknown)
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
		g.credit.Add(&g.credit, credit)
		total.credit.Add(&total.credit, credit)
		if s.Paid {
			g.add(amount)
			total.add(amount)
			frequency[s.Currency] += credit.Int64()
		}
	}
	if len(order) > MaxRows {
		return result, invalid("the report has more than %d rows: ask for fewer dimensions or a shorter range", MaxRows)
	}
	slices.SortFunc(order, func(a, b *group) int { return cmp.Or(b.credit.Cmp(&a.credit), slices.Compare(a.names, b.names)) })
	result.Currency = q.pickCurrency(frequency)
	revenues, all := q.revenues(order, &total, result.Currency)
	for i, g := range order {
		result.Rows = append(result.Rows, q.row(g, &total, revenues[i]))
	}
	result.Total = AttributionTotal{millionths(&total.credit), all, total.byCurrency(), total.unconverted()}
	return result, nil
}

// revenues returns the revenue of each group, and of all of them, in the currency
// of the result.
func (q *Query) revenues(groups []*group, total *group, currency string) ([]Decimal, Decimal) {
	list := make([]Decimal, len(groups))
	if q.Currency == "" {
		for i, g := range groups {
			list[i] = g.in(currency)
		}
		return list, total.in(currency)
	}
	exact := make([]*big.Int, len(groups))
	for i, g := range groups {
		exact[i] = &g.exact
	}
	parts, all := converted(exact)
	for i, n := range parts {
		list[i] = millionths(n)
	}
	return list, millionths(all)
}

func (q *Query) row(g, total *group, revenue Decimal) AttributionRow {
	row := AttributionRow{Conversions: millionths(&g.credit), Revenue: revenue, RevenueByCurrency: g.byCurrency(), Unconverted: g.unconverted()}
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
