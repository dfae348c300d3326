package report

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// AnyEvent asks for all conversion events except installs together.
const AnyEvent = "*"

// defaultEvent is the conversion event of an app that lists none.
const defaultEvent = "Order Completed"

// maxGroupBy bounds the dimensions of a grid.
const maxGroupBy = 5

// gridMetrics are the columns of the grid. Installs go by their winner, events and
// revenue by the credit of one model.
func gridMetrics() []string {
	return []string{"impressions", "clicks", "ctr", "installs", "view_through", "reinstalls", "re_attributions", "re_engagements", "cvr",
		"events", "revenue", "gross", "refunds", "untrusted", "cost", "cpc", "cpi", "roas", "arpu", "fraud_share"}
}

// Grid is the question of a performance report.
type Grid struct {
	Query
	Metrics   []string
	Event     string
	AllModels bool
	Compare   string // previous, year or nothing
	Sort      string
	Ascending bool
}

// grid reads the question from the parameters of a valid query.
func (q *Query) grid() (Grid, error) {
	g := Grid{Query: *q, Event: cmp.Or(q.Given.Get("event"), q.mainEvent()), Compare: q.Given.Get("compare"), AllModels: q.Given.Get("models") == "all"}
	g.Metrics = []string{"impressions", "clicks", "installs", "events", "revenue", "cost"}
	if text := q.Given.Get("metrics"); text != "" {
		g.Metrics = strings.Split(text, ",")
	}
	for _, m := range g.Metrics {
		if !slices.Contains(gridMetrics(), m) {
			return g, invalid("metrics must be a list of %s, not %.40q", strings.Join(gridMetrics(), ", "), m)
		}
	}
	g.Sort, g.Ascending = "", true
	if text := cmp.Or(q.Given.Get("sort"), "-"+g.Metrics[0]); text != "" {
		descending := false
		g.Sort, descending = strings.CutPrefix(text, "-")
		g.Ascending = !descending
	}
	if !slices.Contains(gridMetrics(), g.Sort) && !slices.Contains(g.GroupBy, Dimension(g.Sort)) {
		return g, invalid("sort must be a metric or a dimension of the report, with a - before it for the greatest first")
	}
	if given := q.Given.Get("models"); given != "" && given != "all" {
		return g, invalid("models must be all")
	}
	if !slices.Contains([]string{"", "previous", "year"}, g.Compare) {
		return g, invalid("compare must be previous or year")
	}
	if len(g.Event) > maxName {
		return g, invalid("event is longer than %d bytes", maxName)
	}
	if q.DataDriven != "" {
		return g, invalid("the model %s is not computed for this report: take one of the five", q.DataDriven)
	}
	if _, err := readPlace(q.Cursor); err != nil {
		return g, err
	}
	return g, nil
}

// mainEvent is the one conversion event that a report is about if none is named.
func (q *Query) mainEvent() string {
	if q.Settings == nil || len(q.Settings.ConversionEvents) == 0 || slices.Contains(q.Settings.ConversionEvents, defaultEvent) {
		return defaultEvent
	}
	return q.Settings.ConversionEvents[0]
}

// models are the models that credit is read under.
func (g *Grid) models() []string {
	if g.AllModels {
		list := attribution.Models()
		return list[:]
	}
	return []string{g.Model.String()}
}

// wants reports whether any of the metrics, or a sort by one, is asked for.
func (g *Grid) wants(metrics ...string) bool {
	return slices.ContainsFunc(metrics, func(m string) bool { return slices.Contains(g.Metrics, m) || g.Sort == m })
}

// Performance is the grid: the figures of each source, campaign, day and so on.
func Performance(ctx context.Context, store Store, q Query) (PerformanceResult, error) {
	g, err := q.grid()
	if err != nil {
		return PerformanceResult{}, err
	}
	now, err := g.read(ctx, store)
	if err != nil {
		return PerformanceResult{}, fmt.Errorf("read performance: %w", err)
	}
	var before *gridTable
	if g.Compare != "" {
		earlier := g
		earlier.From, earlier.To = g.before(g.Compare)
		if before, err = earlier.read(ctx, store); err != nil {
			return PerformanceResult{}, fmt.Errorf("read performance of the period before: %w", err)
		}
	}
	return g.result(now, before)
}

// before is the period that a valid query is compared with: the one of the same length
// that ends where the query begins, or the same dates of the year before.
func (q *Query) before(compare string) (from, to time.Time) {
	if compare == "year" {
		zone, err := q.location()
		if err != nil {
			zone = time.UTC // a valid query has one
		}
		return q.From.In(zone).AddDate(-1, 0, 0).UTC(), q.To.In(zone).AddDate(-1, 0, 0).UTC()
	}
	return q.From.Add(q.From.Sub(q.To)), q.From
}

// Earliest is where a valid query begins, with the period that it is compared with.
func (q *Query) Earliest() time.Time {
	if compare := q.Given.Get("compare"); compare != "" {
		from, _ := q.before(compare)
		return from
	}
	return q.From
}

// gridRow holds the sums of a row. Sums of money are exact, in 10^-24 units of
// the currency of the question, as in CreditSum.
type gridRow struct {
	names  []string
	counts map[string]*big.Int
	money  map[string]*big.Int
}

// gridTable is the whole of a grid for one period.
type gridTable struct {
	rows        map[string]*gridRow
	total       gridRow
	unconverted amounts
}

func newGridRow(names []string) *gridRow {
	return &gridRow{names, make(map[string]*big.Int), make(map[string]*big.Int)}
}

func addTo(sums map[string]*big.Int, name string, n *big.Int) {
	if sums[name] == nil {
		sums[name] = new(big.Int)
	}
	sums[name].Add(sums[name], n)
}

func sumOf(sums map[string]*big.Int, name string) *big.Int {
	if n := sums[name]; n != nil {
		return n
	}
	return new(big.Int)
}

// measure is a figure of a stream: the name of the sum, and the summed expression.
type measure struct{ name, sql string }

// summing says which sums are read of a stream.
type summing struct {
	st     *stream
	counts []measure // sums of integers
	money  []measure // amounts in millionths, in the currency x_currency
	trust  bool      // x_untrusted is asked for
}

// summings are the statements of the grid, each over one stream.
func (g *Grid) summings() []summing {
	var list []summing
	if touches := []string{"impressions", "clicks", "ctr", "cvr", "cpc"}; g.wants(touches...) {
		list = append(list, summing{st: touchStream(&g.Query), counts: []measure{{"clicks", "x_kind = 'click'"}, {"impressions", "x_kind = 'impression'"}}})
	}
	if g.wants("installs", "view_through", "reinstalls", "re_attributions", "cvr", "cpi", "arpu", "fraud_share") {
		list = append(list, summing{st: installStream(&g.Query), counts: []measure{{"installs", "x_new"}, {"view_through", "x_new AND x_view"}, {"marked",
			"x_new AND x_fraud != ''"},
			{"reinstalls", "x_outcome = 'reinstall'"}, {"re_attributions", "x_outcome = 're_attribution'"}}})
	}
	if g.wants("re_engagements") {
		list = append(list, summing{st: reengagedStream(&g.Query), counts: []measure{{"re_engagements", "1"}}})
	}
	if g.AllModels || g.wants("events", "revenue", "gross", "refunds", "untrusted", "roas", "arpu") {
		list = append(list, g.crediting())
	}
	if g.wants("cost", "cpc", "cpi", "roas") {
		list = append(list, costsOf(&g.Query)...)
	}
	return list
}

// crediting reads credit and revenue under the models of the question.
func (g *Grid) crediting() summing {
	models := g.models()
	s := summing{st: creditStream(&g.Query, g.Event, models), trust: g.wants("untrusted")}
	for _, m := range models {
		s.counts = append(s.counts, measure{"events " + m, "credit_" + m + "_of"})
		s.money = append(s.money, measure{"revenue " + m, "revenue_" + m + "_of"})
	}
	own := "revenue_" + g.Model.String() + "_of"
	s.money = append(s.money, measure{"gross", "greatest(" + own + ", 0)"})
	if s.trust {
		s.money = append(s.money, measure{"untrusted", "if(x_untrusted, " + own + ", 0)"})
	}
	return s
}

// read runs the statements of the grid and adds the rows up.
func (g *Grid) read(ctx context.Context, store Store) (*gridTable, error) {
	list := g.summings()
	found := make([][]sumRow, len(list))
	parts := make([]Part, len(list))
	for i, s := range list {
		parts[i] = into(&found[i], s.statement(&g.Query), func(r Row, row *sumRow) error { return row.scan(r, len(g.GroupBy), len(s.counts), len(s.money)) })
	}
	if err := store.Read(ctx, parts...); err != nil {
		return nil, err
	}
	table := &gridTable{rows: make(map[string]*gridRow), total: *newGridRow(nil)}
	for i, s := range list {
		if len(found[i]) >= maxGroups {
			return nil, invalid("the report has more than %d groups: ask for fewer dimensions or a shorter range", maxGroups)
		}
		for _, row := range found[i] {
			if err := table.add(s, row); err != nil {
				return nil, err
			}
		}
	}
	return table, nil
}

// sumRow is a row of a summing's statement.
type sumRow struct {
	names    []string
	currency string
	counts   []string
	exact    []string
	unknown  []string // amounts without a rate, in millionths of the currency
}

func (s *sumRow) scan(r Row, names, counts, money int) error {
	s.names, s.counts, s.exact, s.unknown = make([]string, names), make([]string, counts), make([]string, money), make([]string, money)
	var fields []any
	for _, list := range [][]string{s.names, {""}, s.counts, s.exact, s.unknown} {
		for i := range list {
			fields = append(fields, &list[i])
		}
	}
	fields[names] = &s.currency
	return r.Scan(fields...)
}

// statement sums a stream up by the dimensions of a query and, where there is money,
// by currency and day, for the rate is one of a day.
func (m summing) statement(q *Query) Statement {
	var s Statement
	groups := ""
	for i := range q.GroupBy {
		groups += fmt.Sprintf("g%d, ", i)
	}
	s.add("SELECT " + groups + "y_currency")
	for i := range m.counts {
		s.add(fmt.Sprintf(", toString(sum(n%d))", i))
	}
	for i := range m.money {
		s.add(fmt.Sprintf(", toString(sum(toInt256(m%d) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate))))", i), q.Currency)
	}
	for i := range m.money {
		s.add(fmt.Sprintf(", toString(sumIf(m%d, currency != ? AND rate = 0))", i), q.Currency)
	}
	s.add("\nFROM (SELECT *, currency AS y_currency FROM (SELECT ")
	for i, d := range q.GroupBy {
		what := "''"
		if m.st.knows(d) {
			what = q.expression(d)
		}
		s.add(what + fmt.Sprintf(" AS g%d, ", i))
	}
	if len(m.money) > 0 {
		s.Converts, s.Rates = true, q.Rates
		s.add("x_currency AS currency, toInt32(intDiv(x_at, 86400000)) AS day")
	} else {
		s.add("'' AS currency, 0 AS day")
	}
	for i, c := range m.counts {
		s.add(fmt.Sprintf(", sum(toInt128(%s)) AS n%d", c.sql, i))
	}
	for i, c := range m.money {
		s.add(fmt.Sprintf(", sum(toInt128(%s)) AS m%d", c.sql, i))
	}
	s.add("\n").joined(q, m.st, q.GroupBy, m.trust).add("\nGROUP BY " + groups + "currency, day) AS summed")
	if len(m.money) > 0 {
		s.add("\nLEFT ANY JOIN day_rates USING (day, currency)")
	}
	return *s.add(")\nGROUP BY "+groups+"y_currency LIMIT ?", maxGroups)
}

func (t *gridTable) add(s summing, row sumRow) error {
	key := strings.Join(row.names, "\x00")
	if t.rows[key] == nil {
		t.rows[key] = newGridRow(row.names)
	}
	for _, into := range []*gridRow{t.rows[key], &t.total} {
		for i, m := range s.counts {
			n, err := integer(row.counts[i])
			if err != nil {
				return err
			}
			addTo(into.counts, m.name, n)
		}
		for i, m := range s.money {
			n, err := integer(row.exact[i])
			if err != nil {
				return err
			}
			addTo(into.money, m.name, n)
		}
	}
	if len(s.money) == 0 {
		return nil
	}
	// The whole amount without a rate is told once: of the first amount, the others are parts of it.
	amount, err := amountOf(row.currency, "0", "0", row.unknown[0])
	if err == nil {
		t.unconverted.add(amount)
	}
	return err
}
