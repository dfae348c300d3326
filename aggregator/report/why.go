package report

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Bounds of the answer why.
const (
	whyPaths    = 5
	whyJourneys = 3
)

// WhyModel is the credit that a model gives, with its rule as the app has set it.
type WhyModel struct {
	Model   string           `json:"model"`
	Events  Decimal          `json:"events"`
	Revenue Decimal          `json:"revenue"`
	Rule    map[string]int64 `json:"rule"` // half_life_ms, or first, middle and last in millionths
}

// WhyPath is a path that the cell has a part in, with the credit that the cell gets of it.
type WhyPath struct {
	Path        []string `json:"path"`
	Conversions Decimal  `json:"conversions"`
	Events      Decimal  `json:"events"`
	Revenue     Decimal  `json:"revenue"`
}

// WhyTouch is a touch of a journey; Mine says that it is of the cell.
type WhyTouch struct {
	Kind        string             `json:"kind"`
	Time        time.Time          `json:"time"`
	MediaSource string             `json:"media_source"`
	Campaign    string             `json:"campaign"`
	Mine        bool               `json:"mine"`
	Credit      map[string]int64   `json:"credit"`
	Revenue     map[string]Decimal `json:"revenue"`
}

// WhyJourney is a conversion as an example. Its id is told to who may see ids.
type WhyJourney struct {
	ID       string      `json:"id,omitempty"`
	Event    string      `json:"event"`
	Time     time.Time   `json:"time"`
	Revenue  Decimal     `json:"revenue"`
	Currency string      `json:"currency"`
	Install  InstallFrom `json:"install"`
	Touches  []WhyTouch  `json:"touches"`
}

// InstallFrom is the outcome of an install and the source that it goes to.
type InstallFrom struct {
	Result      string `json:"result"`
	MediaSource string `json:"media_source"`
	Campaign    string `json:"campaign"`
}

// WhyResult explains one cell of the grid: the touches that the filters let through.
type WhyResult struct {
	Filter             []string     `json:"filter"`
	Event              string       `json:"event"`
	Model              string       `json:"model"`
	Currency           string       `json:"currency"`
	Role               Role         `json:"role"`
	Models             []WhyModel   `json:"models"`
	Range              Spread       `json:"range"` // of revenue
	Paths              []WhyPath    `json:"paths"`
	Journeys           []WhyJourney `json:"journeys"`
	Unconverted        []Money      `json:"unconverted"`
	SettingsGeneration uint64       `json:"settings_generation"`
}

// Why explains the cell that the filters of a valid query name.
func Why(ctx context.Context, ledger Ledger, q Query) (WhyResult, error) {
	q.GroupBy = nil
	g, err := q.grid()
	if err != nil {
		return WhyResult{}, err
	}
	g.AllModels, g.Metrics, g.Sort = true, []string{"events", "revenue"}, "events"
	result := WhyResult{Filter: append([]string{}, q.Given["filter"]...), Event: g.Event, Model: g.Model.String(), Currency: q.Currency, Paths: []WhyPath{},
		Journeys: []WhyJourney{}, SettingsGeneration: q.Settings.Generation}
	var examples []string
	var pathParts []whyPathRow
	table, err := g.read(ctx, ledger)
	if err == nil {
		err = ledger.Read(ctx,
			Part{whyRole(&g), func(r Row) error { return r.Scan(result.Role.into()...) }},
			into(&pathParts, whyPathsSQL(&g), func(r Row, p *whyPathRow) error {
				return r.Scan(&p.path, &p.conversions, &p.credit, &p.exact, &p.example)
			}))
	}
	if err == nil {
		err = result.Role.share()
	}
	if err != nil {
		return result, fmt.Errorf("read why: %w", err)
	}
	for i, p := range pathParts {
		for k, source := range p.path {
			if !theirs(&q, source) {
				p.path[k] = Another
			}
		}
		path, err := p.shown()
		if err != nil {
			return result, err
		}
		result.Paths = append(result.Paths, path)
		if i < whyJourneys {
			examples = append(examples, p.example)
		}
	}
	_, total := g.figures(table)
	for _, m := range g.models() {
		result.Models = append(result.Models, WhyModel{m, total.Models[m].Events, total.Models[m].Revenue, ruleOf(m, q.Settings)})
	}
	result.Range, result.Unconverted = total.Range["revenue"], table.unconverted.unconverted()
	rows, err := ledger.Attributions(ctx, q.App, examples)
	if err != nil {
		return result, fmt.Errorf("read journeys: %w", err)
	}
	slices.SortFunc(rows, func(a, b attribution.Row) int {
		return cmp.Compare(slices.Index(examples, a.Conversion.ID), slices.Index(examples, b.Conversion.ID))
	})
	for i := range rows {
		result.Journeys = append(result.Journeys, q.journey(&rows[i]))
	}
	return result, nil
}

func whyRole(g *Grid) Statement {
	var s Statement
	return *s.add("SELECT "+roleColumns+"\n").joined(&g.Query, creditStream(&g.Query, g.Event, nil), nil, false)
}

// whyPathsSQL answers with the most frequent paths, how many conversions went them, the credit that the
// cell gets of them, and one of the conversions, the latest.
func whyPathsSQL(g *Grid) Statement {
	var s Statement
	model := g.Model.String()
	s.Converts, s.Rates = true, g.Rates
	s.add("SELECT path, toString(uniqExact(id)) AS n, toString(sum(credits)), toString(sum(toInt256(shares) * if(currency = ?, "+
		"toInt256('1000000000000000000'), "+
		"toInt256(rate)))), argMax(id, (at, id))\nFROM (SELECT * FROM (SELECT x_path AS path, x_id AS id, any(x_at) AS at, any(x_currency) AS currency, "+
		"toInt32(intDiv(any(x_at), 86400000)) AS day,\n    sum(toInt128(credit_"+model+"_of)) AS credits, sum(toInt128(revenue_"+model+"_of)) AS shares\n",
		g.Currency).
		joined(&g.Query, creditStream(&g.Query, g.Event, []string{model}), nil, false)
	return *s.add("\nGROUP BY path, id) AS summed LEFT ANY JOIN day_rates USING (day, currency))\nGROUP BY path ORDER BY uniqExact(id) DESC, path LIMIT "+
		"?", whyPaths)
}

type whyPathRow struct {
	path                                []string
	conversions, credit, exact, example string
}

func (p *whyPathRow) shown() (WhyPath, error) {
	credit, err := integer(p.credit)
	if err != nil {
		return WhyPath{}, err
	}
	exact, err := integer(p.exact)
	if err != nil {
		return WhyPath{}, err
	}
	return WhyPath{append([]string{}, p.path...), Decimal(p.conversions), millionths(credit), millionths(roundAway(exact, rateUnit()))}, nil
}

// ruleOf is the rule of a model in the figures that the app has set.
func ruleOf(model string, s *attribution.Settings) map[string]int64 {
	switch model {
	case attribution.TimeDecay.String():
		return map[string]int64{"half_life_ms": s.HalfLife}
	case attribution.PositionBased.String():
		return map[string]int64{"first": s.PositionFirst, "middle": s.PositionMiddle, "last": s.PositionLast}
	}
	return map[string]int64{}
}

// journey shows an attribution as an example.
func (q *Query) journey(row *attribution.Row) WhyJourney {
	full := conversionOf(row)
	narrow(q, &full)
	j := WhyJourney{Event: full.Event, Time: full.Time, Revenue: full.Revenue, Currency: full.Currency, Touches: []WhyTouch{},
		Install: InstallFrom{full.Install.Result, full.Install.MediaSource, full.Install.Campaign}}
	if q.IDs {
		j.ID = full.ID
	}
	for i := range full.Touches {
		t := &full.Touches[i]
		j.Touches = append(j.Touches, WhyTouch{t.Kind, t.Time, t.MediaSource, t.Campaign, q.lets(row.Result.Touches[i].Touch), t.Credit, t.Revenue})
	}
	return j
}

// lets reports whether the filters let a touch through, as far as it says itself.
func (q *Query) lets(t *attribution.Touch) bool {
	says := map[Dimension]string{MediaSource: cmp.Or(q.Aliases[t.MediaSource], t.MediaSource), Campaign: t.Campaign, AdSet: t.AdSet, Ad: t.Ad,
		Keyword: t.Keyword, ByLink: t.LinkID}
	for _, f := range q.filters() {
		if value, ok := says[f.Field]; ok && slices.Contains(f.Values, value) == f.Not {
			return false
		}
	}
	return true
}

func million() *big.Int { return big.NewInt(attribution.Million) }

// Role tells in how many conversions something opens the path, closes it, stands between
// or is alone. Of one conversion it can do more than one of these.
type Role struct {
	Opens       Decimal  `json:"opens"`
	Assists     Decimal  `json:"assists"`
	Closes      Decimal  `json:"closes"`
	Alone       Decimal  `json:"alone"`
	Conversions Decimal  `json:"conversions"` // that it has any part in
	OpensShare  *Decimal `json:"opens_share"`
	AssistShare *Decimal `json:"assists_share"`
	CloseShare  *Decimal `json:"closes_share"`
}

// roleColumns count the conversions of a credit stream by role; organic ones have no path
// and none.
const roleColumns = "toString(uniqExactIf(x_id, x_steps > 1 AND x_place = 1)), toString(uniqExactIf(x_id, x_steps > 1 AND x_place > 1 AND x_place < " +
	"x_steps)),\n" +
	"    toString(uniqExactIf(x_id, x_steps > 1 AND x_place = x_steps)), toString(uniqExactIf(x_id, x_steps = 1)), toString(uniqExact(x_id))"

func (r *Role) into() []any {
	return []any{(*string)(&r.Opens), (*string)(&r.Assists), (*string)(&r.Closes), (*string)(&r.Alone), (*string)(&r.Conversions)}
}

// share works the shares out.
func (r *Role) share() error {
	all, err := integer(cmp.Or(string(r.Conversions), "0"))
	if err != nil {
		return err
	}
	for _, part := range []struct {
		of    Decimal
		share **Decimal
	}{{r.Opens, &r.OpensShare}, {r.Assists, &r.AssistShare}, {r.Closes, &r.CloseShare}} {
		n, err := integer(cmp.Or(string(part.of), "0"))
		if err != nil {
			return err
		}
		*part.share = ratio(n.Mul(n, million()), all)
	}
	return nil
}
