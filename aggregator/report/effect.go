package report

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// EffectMoney is revenue in one currency, as attributed and under other settings.
type EffectMoney struct {
	Currency string  `json:"currency"`
	Now      Decimal `json:"now"`
	WhatIf   Decimal `json:"what_if"`
}

// EffectRow holds the figures of a media source under one model.
type EffectRow struct {
	Model       string        `json:"model"`
	MediaSource string        `json:"media_source"`
	Now         Decimal       `json:"now"` // conversions
	WhatIf      Decimal       `json:"what_if"`
	Revenue     []EffectMoney `json:"revenue"`
}

// EffectInstall counts installs by their result and media source.
type EffectInstall struct {
	Result      string `json:"result"`
	MediaSource string `json:"media_source"`
	Now         int64  `json:"now"`
	WhatIf      int64  `json:"what_if"`
}

// EffectResult is what other settings do to the attributions of some conversions.
type EffectResult struct {
	Conversions uint64          `json:"conversions"` // looked at
	Of          uint64          `json:"of"`          // in the range
	Changed     uint64          `json:"changed"`     // of those looked at
	Rows        []EffectRow     `json:"rows"`        // by model, the greatest change first
	Installs    []EffectInstall `json:"installs"`    // the greatest change first
}

// maxEffectRows bounds the rows of an effect for each model.
const maxEffectRows = 500

// Effect sums up attributions as they are and as they would be.
type Effect struct {
	shares   map[effectKey]*effectShare
	installs map[EffectInstall]*[2]int64
}

type effectKey struct{ model, source string }

type effectShare struct {
	credit  [2]big.Int
	revenue map[string]*[2]big.Int
}

// NewEffect returns the effect of nothing.
func NewEffect() *Effect {
	return &Effect{shares: make(map[effectKey]*effectShare), installs: make(map[EffectInstall]*[2]int64)}
}

// EffectSum is a sum of credit and revenue in millionths, in one currency if paid.
type EffectSum struct {
	Other           bool // under the other settings
	Model, Source   string
	Currency        string
	Paid            bool
	Credit, Revenue string
}

// Share adds a sum.
func (e *Effect) Share(s EffectSum) error {
	credit, err := integer(s.Credit)
	if err != nil {
		return err
	}
	revenue, err := integer(s.Revenue)
	if err != nil {
		return err
	}
	e.share(effectKey{s.Model, s.Source}, s.Other, credit).money(s.Paid, s.Currency, s.Other, revenue)
	return nil
}

func (e *Effect) share(key effectKey, other bool, credit *big.Int) *effectShare {
	share := e.shares[key]
	if share == nil {
		share = &effectShare{revenue: make(map[string]*[2]big.Int)}
		e.shares[key] = share
	}
	side := &share.credit[sideAt(other)]
	side.Add(side, credit)
	return share
}

func (s *effectShare) money(paid bool, currency string, other bool, revenue *big.Int) {
	if !paid {
		return
	}
	if s.revenue[currency] == nil {
		s.revenue[currency] = new([2]big.Int)
	}
	side := &s.revenue[currency][sideAt(other)]
	side.Add(side, revenue)
}

func sideAt(other bool) int {
	if other {
		return 1
	}
	return 0
}

// Install counts installs.
func (e *Effect) Install(other bool, result, source string, n int64) {
	key := EffectInstall{Result: result, MediaSource: source}
	if e.installs[key] == nil {
		e.installs[key] = new([2]int64)
	}
	e.installs[key][sideAt(other)] += n
}

// Add adds one attribution.
func (e *Effect) Add(row *attribution.Row, other bool) {
	r := &row.Result
	for m := range attribution.ModelCount {
		if r.Organic() {
			e.share(effectKey{m.String(), attribution.Organic}, other, big.NewInt(attribution.Million)).
				money(row.Conversion.HasRevenue, row.Conversion.Currency, other, big.NewInt(r.Revenue))
		}
		for i := range r.Touches {
			t := &r.Touches[i]
			e.share(effectKey{m.String(), t.Touch.MediaSource}, other, big.NewInt(t.Credit[m])).
				money(row.Conversion.HasRevenue, row.Conversion.Currency, other, big.NewInt(t.Revenue[m]))
		}
	}
	if row.Conversion.Install {
		e.Install(other, string(r.Install.Outcome), r.Install.MediaSource, 1)
	}
}

// Result puts the rows in order.
func (e *Effect) Result() EffectResult {
	result := EffectResult{Rows: []EffectRow{}, Installs: []EffectInstall{}}
	for _, model := range attribution.Models() {
		result.Rows = append(result.Rows, e.rows(model)...)
	}
	for key, n := range e.installs {
		result.Installs = append(result.Installs, EffectInstall{key.Result, key.MediaSource, n[0], n[1]})
	}
	slices.SortFunc(result.Installs, func(a, b EffectInstall) int {
		return cmp.Or(cmp.Compare(abs(b.WhatIf-b.Now), abs(a.WhatIf-a.Now)), cmp.Compare(b.Now, a.Now), cmp.Compare(a.Result, b.Result), cmp.Compare(a.MediaSource, b.MediaSource))
	})
	result.Installs = result.Installs[:min(len(result.Installs), maxEffectRows)]
	return result
}

func (e *Effect) rows(model string) []EffectRow {
	var rows []EffectRow
	sizes := make(map[string]*big.Int)
	for key, share := range e.shares {
		if key.model != model {
			continue
		}
		row := EffectRow{Model: model, MediaSource: key.source, Now: millionths(&share.credit[0]), WhatIf: millionths(&share.credit[1]), Revenue: []EffectMoney{}}
		for currency, sides := range share.revenue {
			row.Revenue = append(row.Revenue, EffectMoney{currency, millionths(&sides[0]), millionths(&sides[1])})
		}
		slices.SortFunc(row.Revenue, func(a, b EffectMoney) int { return cmp.Compare(a.Currency, b.Currency) })
		difference := new(big.Int).Sub(&share.credit[1], &share.credit[0])
		sizes[key.source] = difference.Abs(difference)
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b EffectRow) int {
		return cmp.Or(sizes[b.MediaSource].Cmp(sizes[a.MediaSource]), cmp.Compare(a.MediaSource, b.MediaSource))
	})
	return rows[:min(len(rows), maxEffectRows)]
}

func abs(n int64) int64 { return max(n, -n) }

// Alike says whether two attributions of one conversion credit it alike.
func Alike(a, b *attribution.Row) bool {
	x, y := &a.Result, &b.Result
	if len(x.Touches) != len(y.Touches) || x.Install.Outcome != y.Install.Outcome || x.Install.TouchID != y.Install.TouchID || x.Install.MediaSource != y.Install.MediaSource {
		return false
	}
	for i := range x.Touches {
		s, t := &x.Touches[i], &y.Touches[i]
		if s.Touch.ID != t.Touch.ID || s.Credit != t.Credit || s.Revenue != t.Revenue {
			return false
		}
	}
	return true
}
