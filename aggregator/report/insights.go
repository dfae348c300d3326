package report

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// maxSentences bounds the list of a home page.
const maxSentences = 5

// Sentence is something worth knowing, made from figures, with the filter that shows it.
type Sentence struct {
	Kind    string             `json:"kind"` // opens_not_closes, closes_not_opens, disputed, up, down or cost_without_traffic
	Text    string             `json:"text"`
	Filter  []string           `json:"filter"`
	Figures map[string]Decimal `json:"figures"`

	weight *big.Rat // the sentences with the greatest weights are told
}

// InsightsResult are at most five sentences, the weightiest first.
type InsightsResult struct {
	Event     string     `json:"event"`
	Currency  string     `json:"currency"`
	Sentences []Sentence `json:"sentences"`
}

// Insights says what changed and what models dispute, by media source.
func Insights(ctx context.Context, store Store, q Query) (InsightsResult, error) {
	q.GroupBy = []Dimension{MediaSource}
	g, err := q.grid()
	if err != nil {
		return InsightsResult{}, err
	}
	g.AllModels, g.Metrics, g.Sort, g.Limit, g.Compare, g.Cursor = true, []string{"events", "revenue", "installs"}, "events", MaxLimit,
		cmp.Or(g.Compare, "previous"), ""
	result := InsightsResult{Event: g.Event, Currency: g.Currency, Sentences: []Sentence{}}
	now, err := g.read(ctx, store)
	if err != nil {
		return result, fmt.Errorf("read insights: %w", err)
	}
	earlier := g
	earlier.From, earlier.To = g.before(g.Compare)
	before, err := earlier.read(ctx, store)
	if err != nil {
		return result, fmt.Errorf("read insights of the period before: %w", err)
	}
	type sourceRole struct {
		source string
		Role
	}
	var roles []sourceRole
	var s Statement
	s.add("SELECT x_media_source, "+roleColumns+"\n").joined(&g.Query, creditStream(&g.Query, g.Event, nil), g.GroupBy,
		false).add("\nGROUP BY x_media_source LIMIT ?", maxGroups)
	err = store.Read(ctx, into(&roles, s, func(r Row, role *sourceRole) error { return r.Scan(append([]any{&role.source}, role.into()...)...) }))
	if err != nil {
		return result, fmt.Errorf("read insights: %w", err)
	}
	page, err := g.result(now, before)
	if err != nil {
		return result, err
	}
	var list []Sentence
	for i := range page.Rows {
		row := &page.Rows[i]
		for _, role := range roles {
			if role.source == row.Names[0] {
				list = append(list, g.onRole(row, &role.Role)...)
			}
		}
		list = append(list, g.onChange(row)...)
	}
	slices.SortFunc(list, func(a, b Sentence) int { return cmp.Or(b.weight.Cmp(a.weight), cmp.Compare(a.Text, b.Text)) })
	told := make(map[string]int)
	for _, sentence := range list {
		if told[sentence.Filter[0]] < 2 && len(result.Sentences) < maxSentences {
			told[sentence.Filter[0]]++
			result.Sentences = append(result.Sentences, sentence)
		}
	}
	return result, nil
}

func number(d Decimal) *big.Rat {
	n, ok := new(big.Rat).SetString(string(d))
	if !ok {
		return new(big.Rat)
	}
	return n
}

// onRole says of a source that it opens more than it closes, or the reverse, where the
// models dispute its revenue.
func (g *Grid) onRole(row *PerformanceRow, role *Role) []Sentence {
	first, last, linear := row.Models["first_touch"].Revenue, row.Models["last_touch"].Revenue, row.Models["linear"].Revenue
	apart := new(big.Rat).Sub(number(row.Range["revenue"].Max), number(row.Range["revenue"].Min))
	if row.Range["revenue"].Verdict != "disputed" || apart.Sign() <= 0 || row.Names[0] == attribution.Organic {
		return nil
	}
	opens, closes := number(role.Opens), number(role.Closes)
	s := Sentence{Filter: []string{"media_source:" + escape(row.Names[0])}, weight: apart,
		Figures: map[string]Decimal{"opens": role.Opens, "closes": role.Closes, "first_touch": first, "last_touch": last, "linear": linear}}
	figures := fmt.Sprintf("first touch gives it %s, last touch %s, linear %s %s", whole(first), whole(last), whole(linear), g.Currency)
	switch {
	case opens.Cmp(closes) > 0:
		s.Kind, s.Text = "opens_not_closes", fmt.Sprintf("%s opens %s and closes %s: %s.", row.Names[0], role.Opens, role.Closes, figures)
	case closes.Cmp(opens) > 0:
		s.Kind, s.Text = "closes_not_opens", fmt.Sprintf("%s closes %s and opens %s: %s.", row.Names[0], role.Closes, role.Opens, figures)
	default:
		s.Kind, s.Text = "disputed", fmt.Sprintf("Models dispute what %s is worth: %s.", row.Names[0], figures)
	}
	return []Sentence{s}
}

// onChange says that the revenue of a source is a fifth more or less than it was.
func (g *Grid) onChange(row *PerformanceRow) []Sentence {
	now, before := row.Metrics["revenue"], row.Previous["revenue"]
	if now == nil || before == nil || number(*before).Sign() <= 0 {
		return nil
	}
	change := new(big.Rat).Sub(number(*now), number(*before))
	part, _ := new(big.Rat).Quo(change, number(*before)).Float64()
	if part > -0.2 && part < 0.2 {
		return nil
	}
	s := Sentence{Kind: "up", Filter: []string{"media_source:" + escape(row.Names[0])}, Figures: map[string]Decimal{"revenue": *now,
		"previous": *before}, weight: new(big.Rat).Abs(change)}
	verb := "up"
	if part < 0 {
		s.Kind, verb = "down", "down"
	}
	s.Text = fmt.Sprintf("%s is %s %.0f %%: %s %s after %s.", row.Names[0], verb, max(part, -part)*100, whole(*now), g.Currency, whole(*before))
	return []Sentence{s}
}

// whole is an amount without its fraction.
func whole(d Decimal) string {
	f, _ := number(d).Float64()
	return fmt.Sprintf("%.0f", f)
}
