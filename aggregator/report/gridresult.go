package report

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// firmBelow is how far apart the models may be, as a part of the greatest figure, for a
// figure to be called firm.
const firmBelow = 0.2

// Period is a range, half-open.
type Period struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// ModelFigures are the figures of one model.
type ModelFigures struct {
	Events  Decimal `json:"events"`
	Revenue Decimal `json:"revenue"`
}

// Spread tells how far the models are apart: Spread is (Max - Min) / Max, and Verdict
// firm below 0.2, else disputed.
type Spread struct {
	Min     Decimal `json:"min"`
	Max     Decimal `json:"max"`
	Spread  Decimal `json:"spread"`
	Verdict string  `json:"verdict"`
}

// PerformanceRow is a row of the grid. Names are the values of its dimensions.
type PerformanceRow struct {
	Names    []string
	Metrics  map[string]*Decimal // nil where the figure has no meaning
	Previous map[string]*Decimal // of the period before; nil if none was asked for
	Models   map[string]ModelFigures
	Range    map[string]Spread // of events and of revenue

	groupBy []Dimension
}

// Shape is an example of the row as JSON has it, for the contract with clients.
func (PerformanceRow) Shape() any {
	return struct {
		MediaSource string                  `json:"media_source,omitempty"`
		Campaign    string                  `json:"campaign,omitempty"`
		AdSet       string                  `json:"adset,omitempty"`
		Ad          string                  `json:"ad,omitempty"`
		Keyword     string                  `json:"keyword,omitempty"`
		Sub1        string                  `json:"sub1,omitempty"`
		Sub2        string                  `json:"sub2,omitempty"`
		Sub3        string                  `json:"sub3,omitempty"`
		Sub4        string                  `json:"sub4,omitempty"`
		Sub5        string                  `json:"sub5,omitempty"`
		Link        string                  `json:"link,omitempty"`
		Country     string                  `json:"country,omitempty"`
		Platform    string                  `json:"platform,omitempty"`
		AppVersion  string                  `json:"app_version,omitempty"`
		Day         string                  `json:"day,omitempty"`
		Week        string                  `json:"week,omitempty"`
		Month       string                  `json:"month,omitempty"`
		Metrics     map[string]*Decimal     `json:"metrics"`
		Previous    map[string]*Decimal     `json:"previous,omitempty"`
		Models      map[string]ModelFigures `json:"models,omitempty"`
		Range       map[string]Spread       `json:"range,omitempty"`
	}{}
}

// MarshalJSON writes each dimension under its name.
func (r PerformanceRow) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"metrics": r.Metrics}
	for i, d := range r.groupBy {
		fields[string(d)] = r.Names[i]
	}
	for name, value := range map[string]any{"previous": r.Previous, "models": r.Models, "range": r.Range} {
		switch value := value.(type) {
		case map[string]*Decimal:
			if value != nil {
				fields[name] = value
			}
		case map[string]ModelFigures:
			if value != nil {
				fields[name] = value
			}
		case map[string]Spread:
			if value != nil {
				fields[name] = value
			}
		}
	}
	return json.Marshal(fields)
}

// PerformanceTotal is the sum of all rows, also of those on other pages.
type PerformanceTotal struct {
	Metrics  map[string]*Decimal     `json:"metrics"`
	Previous map[string]*Decimal     `json:"previous,omitempty"`
	Models   map[string]ModelFigures `json:"models,omitempty"`
	Range    map[string]Spread       `json:"range,omitempty"`
}

// PerformanceResult is a page of the grid. Money is in Currency; Unconverted has no
// rate and is in no figure.
type PerformanceResult struct {
	GroupBy     []Dimension       `json:"group_by"`
	Metrics     []string          `json:"metrics"`
	Event       string            `json:"event"`
	Model       string            `json:"model"`
	Currency    string            `json:"currency"`
	From        time.Time         `json:"from"`
	To          time.Time         `json:"to"`
	Previous    *Period           `json:"previous,omitempty"`
	Rows        []PerformanceRow  `json:"rows"`
	Total       PerformanceTotal  `json:"total"`
	Unconverted []Money           `json:"unconverted"`
	Notes       map[string]string `json:"notes"`
	NextCursor  *string           `json:"next_cursor"`

	truncated bool
}

// place is where a page of the grid ends.
type place struct {
	Names []string `json:"n"`
	Value *string  `json:"v"` // of the column that is sorted by
}

func readPlace(cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	var p place
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(cursor) > maxCursor*4 || json.Unmarshal(text, &p) != nil || p.Names == nil {
		return nil, invalid("the cursor is not one that a page of this list gave")
	}
	return &p, nil
}

// result puts the page together.
func (g *Grid) result(now, before *gridTable) (PerformanceResult, error) {
	result := PerformanceResult{GroupBy: g.GroupBy, Metrics: g.Metrics, Event: g.Event, Model: g.Model.String(), Currency: g.Currency, From: g.From, To: g.To,
		Rows: []PerformanceRow{}, Notes: g.notes()}
	rows, total := g.figures(now)
	result.Unconverted = now.unconverted.unconverted()
	result.Total = PerformanceTotal{Metrics: total.Metrics, Models: total.Models, Range: total.Range}
	if before != nil {
		from, to := g.before(g.Compare)
		result.Previous = &Period{from, to}
		earlier, whole := g.figures(before)
		result.Total.Previous = whole.Metrics
		rows = g.beside(rows, earlier)
	}
	slices.SortFunc(rows, g.order)
	limit, begin := g.limit(), 0
	if g.All {
		limit = MaxExport
	}
	after, err := readPlace(g.Cursor)
	if err != nil {
		return result, err
	}
	if after != nil && !g.All {
		last := PerformanceRow{Names: after.Names, Metrics: map[string]*Decimal{g.Sort: (*Decimal)(after.Value)}}
		if len(last.Names) != len(g.GroupBy) {
			return result, invalid("the cursor is one of a report with other dimensions")
		}
		begin, _ = slices.BinarySearchFunc(rows, last, func(row, last PerformanceRow) int { return cmp.Or(g.order(row, last), -1) })
	}
	end := min(len(rows), begin+limit)
	result.Rows = append(result.Rows, rows[begin:end]...)
	if end < len(rows) && end > begin {
		result.NextCursor = g.cursor(&rows[end-1])
		result.truncated = g.All
	}
	for i := range result.Rows {
		result.Rows[i].Metrics = g.asked(result.Rows[i].Metrics)
		result.Rows[i].Previous = g.asked(result.Rows[i].Previous)
	}
	result.Total.Metrics, result.Total.Previous = g.asked(result.Total.Metrics), g.asked(result.Total.Previous)
	return result, nil
}

// asked leaves the metrics that were asked for; the one that is sorted by may be another.
func (g *Grid) asked(all map[string]*Decimal) map[string]*Decimal {
	if all == nil {
		return nil
	}
	list := make(map[string]*Decimal, len(g.Metrics))
	for _, m := range g.Metrics {
		list[m] = all[m]
	}
	return list
}

func (g *Grid) cursor(row *PerformanceRow) *string {
	return place{row.Names, (*string)(row.Metrics[g.Sort])}.cursor()
}

func (p place) cursor() *string {
	text, err := json.Marshal(p)
	if err != nil {
		return nil // a struct of texts always has JSON
	}
	cursor := base64.RawURLEncoding.EncodeToString(text)
	return &cursor
}

// order compares two rows by the column that is sorted by, figures without a meaning last,
// and equal ones by their names.
func (g *Grid) order(a, b PerformanceRow) int {
	sign := -1
	if g.Ascending {
		sign = 1
	}
	if i := slices.Index(g.GroupBy, Dimension(g.Sort)); i >= 0 {
		return cmp.Or(sign*cmp.Compare(a.Names[i], b.Names[i]), slices.Compare(a.Names, b.Names))
	}
	x, y := a.Metrics[g.Sort], b.Metrics[g.Sort]
	switch {
	case x == nil && y == nil:
		return slices.Compare(a.Names, b.Names)
	case x == nil:
		return 1
	case y == nil:
		return -1
	}
	m, okM := new(big.Rat).SetString(string(*x))
	n, okN := new(big.Rat).SetString(string(*y))
	if !okM || !okN {
		return slices.Compare(a.Names, b.Names) // a cursor that nobody gave out
	}
	return cmp.Or(sign*m.Cmp(n), slices.Compare(a.Names, b.Names))
}

// beside puts the figures of the period before beside those of now. A row that is in
// one period only has zeros in the other.
func (g *Grid) beside(rows, earlier []PerformanceRow) []PerformanceRow {
	none := newGridRow(nil)
	zero := g.row(none, nil).Metrics
	at := make(map[string]int, len(rows))
	for i := range rows {
		at[fmt.Sprintf("%q", rows[i].Names)] = i
		rows[i].Previous = zero
	}
	if slices.ContainsFunc(g.GroupBy, isTime) {
		return rows // its days are other days
	}
	for _, old := range earlier {
		i, found := at[fmt.Sprintf("%q", old.Names)]
		if !found {
			fresh := g.row(none, nil)
			fresh.Names, fresh.groupBy = old.Names, g.GroupBy
			rows = append(rows, fresh)
			i = len(rows) - 1
		}
		rows[i].Previous = old.Metrics
	}
	return rows
}

// figures makes the rows of a table, rounded so that they add up to the total.
func (g *Grid) figures(t *gridTable) ([]PerformanceRow, PerformanceRow) {
	keys := make([]string, 0, len(t.rows))
	names := make(map[string]bool)
	for key, row := range t.rows {
		keys = append(keys, key)
		for name := range row.money {
			names[name] = true
		}
	}
	slices.Sort(keys)
	rounded := make([]map[string]*big.Int, len(keys)) // of each row, in millionths
	for i := range rounded {
		rounded[i] = make(map[string]*big.Int)
	}
	whole := make(map[string]*big.Int)
	for name := range names {
		exact := make([]*big.Int, len(keys))
		for i, key := range keys {
			exact[i] = sumOf(t.rows[key].money, name)
		}
		parts, sum := converted(exact)
		whole[name] = sum
		for i := range keys {
			rounded[i][name] = parts[i]
		}
	}
	rows := make([]PerformanceRow, len(keys))
	for i, key := range keys {
		rows[i] = g.row(t.rows[key], rounded[i])
		rows[i].Names, rows[i].groupBy = t.rows[key].names, g.GroupBy
	}
	return rows, g.row(&t.total, whole)
}

// row works the metrics of a row out from its counts and its money in millionths.
func (g *Grid) row(r *gridRow, money map[string]*big.Int) PerformanceRow {
	model := g.Model.String()
	count := func(name string) *big.Int { return sumOf(r.counts, name) }
	amount := func(name string) *big.Int { return sumOf(money, name) }
	installs, clicks, revenue, cost := count("installs"), count("clicks"), amount("revenue "+model), amount("cost")
	micro := big.NewInt(attribution.Million)
	metrics := make(map[string]*Decimal, len(gridMetrics()))
	for _, name := range []string{"impressions", "clicks", "installs", "view_through", "reinstalls", "re_attributions", "re_engagements"} {
		text := Decimal(count(name).String())
		metrics[name] = &text
	}
	for name, n := range map[string]*big.Int{"events": count("events " + model), "revenue": revenue, "gross": amount("gross"),
		"refunds": new(big.Int).Sub(amount("gross"), revenue), "untrusted": amount("untrusted"), "cost": cost} {
		text := millionths(n)
		metrics[name] = &text
	}
	metrics["ctr"] = ratio(new(big.Int).Mul(clicks, micro), count("impressions"))
	metrics["cvr"] = ratio(new(big.Int).Mul(installs, micro), clicks)
	metrics["cpc"], metrics["cpi"], metrics["arpu"] = ratio(cost, clicks), ratio(cost, installs), ratio(revenue, installs)
	metrics["roas"] = ratio(new(big.Int).Mul(revenue, micro), cost)
	metrics["fraud_share"] = ratio(new(big.Int).Mul(count("marked"), micro), installs)
	if !g.knowsCost() {
		for _, name := range []string{"cost", "cpc", "cpi", "roas"} {
			metrics[name] = nil
		}
	}
	row := PerformanceRow{Metrics: metrics}
	if g.AllModels {
		row.Models, row.Range = g.underAll(count, amount)
	}
	return row
}

// underAll tells what each model gives, and how far they are apart.
func (g *Grid) underAll(count, amount func(string) *big.Int) (map[string]ModelFigures, map[string]Spread) {
	models := make(map[string]ModelFigures, attribution.ModelCount)
	var events, revenue []*big.Int
	for _, m := range g.models() {
		e, r := count("events "+m), amount("revenue "+m)
		models[m] = ModelFigures{millionths(e), millionths(r)}
		events, revenue = append(events, e), append(revenue, r)
	}
	return models, map[string]Spread{"events": spreadOf(events), "revenue": spreadOf(revenue)}
}

func spreadOf(list []*big.Int) Spread {
	least, most := list[0], list[0]
	for _, n := range list {
		if n.Cmp(least) < 0 {
			least = n
		}
		if n.Cmp(most) > 0 {
			most = n
		}
	}
	s := Spread{Min: millionths(least), Max: millionths(most), Spread: millionths(new(big.Int)), Verdict: "firm"}
	apart := new(big.Int).Sub(most, least)
	base := new(big.Int).Abs(most)
	if size := new(big.Int).Abs(least); size.Cmp(base) > 0 {
		base = size
	}
	if share := ratio(new(big.Int).Mul(apart, big.NewInt(attribution.Million)), base); share != nil {
		s.Spread = *share
		if f, _ := new(big.Rat).SetFrac(apart, base).Float64(); f >= firmBelow {
			s.Verdict = "disputed"
		}
	}
	return s
}

// ratio is a / b as millionths, rounded half away from zero; nil if b is 0.
func ratio(a, b *big.Int) *Decimal {
	if b.Sign() == 0 {
		return nil
	}
	n := new(big.Int).Set(a)
	if b.Sign() < 0 {
		n.Neg(n)
	}
	text := millionths(roundAway(n, new(big.Int).Abs(b)))
	return &text
}

// notes say why a figure can have no meaning.
func (g *Grid) notes() map[string]string {
	notes := make(map[string]string)
	for name, why := range map[string]string{"ctr": "no impressions", "cvr": "no clicks", "cpc": "no clicks", "cpi": "no installs",
		"arpu": "no installs", "roas": "no cost", "fraud_share": "no installs"} {
		if g.wants(name) {
			notes[name] = "null where there are " + why
		}
	}
	if !g.knowsCost() && g.wants("cost", "cpc", "cpi", "roas") {
		notes["cost"] = "costs are known by day, media source, campaign, ad set, ad and country, and not by what was asked for"
	}
	if g.wants("re_engagements") {
		notes["re_engagements"] = "openings in whose window a conversion event lies"
	}
	if g.Compare != "" && slices.ContainsFunc(g.GroupBy, isTime) {
		notes["previous"] = "days of another period are other rows: only the total is compared"
	}
	return notes
}

// Table has exactly the columns that were asked for, in that order.
func (r PerformanceResult) Table() Table {
	t := Table{Truncated: r.truncated}
	for _, d := range r.GroupBy {
		t.Header = append(t.Header, string(d))
	}
	t.Header = append(t.Header, r.Metrics...)
	if r.Previous != nil {
		for _, m := range r.Metrics {
			t.Header = append(t.Header, "previous_"+m)
		}
	}
	models := attribution.Models()
	if r.Total.Models != nil {
		for _, m := range models {
			t.Header = append(t.Header, m+"_events", m+"_revenue")
		}
		t.Header = append(t.Header, "events_range", "revenue_range")
	}
	t.Header = append(t.Header, "currency")
	for i := range r.Rows {
		row := &r.Rows[i]
		var cells []string
		for _, name := range row.Names {
			cells = append(cells, cell(name))
		}
		cells = appendFigures(cells, r.Metrics, row.Metrics)
		if r.Previous != nil {
			cells = appendFigures(cells, r.Metrics, row.Previous)
		}
		if r.Total.Models != nil {
			for _, m := range models {
				cells = append(cells, string(row.Models[m].Events), string(row.Models[m].Revenue))
			}
			cells = append(cells, row.Range["events"].Verdict, row.Range["revenue"].Verdict)
		}
		t.Rows = append(t.Rows, append(cells, cell(r.Currency)))
	}
	return t
}

func appendFigures(cells, metrics []string, figures map[string]*Decimal) []string {
	for _, m := range metrics {
		text := ""
		if n := figures[m]; n != nil {
			text = string(*n)
		}
		cells = append(cells, text)
	}
	return cells
}
