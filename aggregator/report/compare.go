package report

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
)

// CompareSide holds the figures of a group under one of two models.
type CompareSide struct {
	Conversions Decimal `json:"conversions"`
	Revenue     Decimal `json:"revenue"`
	Share       float64 `json:"share"`                 // of the conversions
	Rank        int     `json:"rank"`                  // by conversions, 1 is the most; equal ones have the same
	Unconverted []Money `json:"unconverted,omitempty"` // not in Revenue, for want of a rate
}

// CompareDifference is the gain of a group from the first model to the second.
type CompareDifference struct {
	Conversions Decimal `json:"conversions"`
	Revenue     Decimal `json:"revenue"`
	Rank        int     `json:"rank"` // places won, negative for lost ones
}

// CompareRow is a group under both models.
type CompareRow struct {
	MediaSource *string `json:"media_source,omitempty"`
	Campaign    *string `json:"campaign,omitempty"`
	AdSet       *string `json:"adset,omitempty"`
	Ad          *string `json:"ad,omitempty"`
	Keyword     *string `json:"keyword,omitempty"`

	A          CompareSide       `json:"a"`
	B          CompareSide       `json:"b"`
	Difference CompareDifference `json:"difference"`
}

// CompareTotal is the total under each model.
type CompareTotal struct {
	A AttributionTotal `json:"a"`
	B AttributionTotal `json:"b"`
}

// CompareResult is two attribution reports side by side, those with the greatest
// difference in conversions first.
type CompareResult struct {
	A        string       `json:"a"`
	B        string       `json:"b"`
	GroupBy  []Dimension  `json:"group_by"`
	Currency string       `json:"currency"`
	Rows     []CompareRow `json:"rows"`
	Total    CompareTotal `json:"total"`
}

// Compare puts two attribution reports of the same question side by side. A group
// that one of them lacks gets nothing there, and the last rank.
func Compare(a, b AttributionResult) (CompareResult, error) {
	result := CompareResult{A: a.Model, B: b.Model, GroupBy: a.GroupBy, Currency: a.Currency, Rows: []CompareRow{}, Total: CompareTotal{a.Total, b.Total}}
	left, order := sidesOf(a, nil)
	right, order := sidesOf(b, order)
	sizes := make(map[string]*big.Int, len(order))
	for i := range order {
		row := &order[i]
		key := row.key()
		row.A, row.B = sideOf(left, key), sideOf(right, key)
		conversions, err := subtract(row.B.Conversions, row.A.Conversions)
		if err != nil {
			return result, err
		}
		revenue, err := subtract(row.B.Revenue, row.A.Revenue)
		if err != nil {
			return result, err
		}
		row.Difference = CompareDifference{millionths(conversions), millionths(revenue), row.A.Rank - row.B.Rank}
		sizes[key] = new(big.Int).Abs(conversions)
	}
	slices.SortStableFunc(order, func(x, y CompareRow) int {
		return cmp.Or(sizes[y.key()].Cmp(sizes[x.key()]), cmp.Compare(x.A.Rank, y.A.Rank), strings.Compare(x.key(), y.key()))
	})
	result.Rows = append(result.Rows, order...)
	return result, nil
}

// key tells the groups of a report apart.
func (r *CompareRow) key() string {
	var text strings.Builder
	for _, name := range []*string{r.MediaSource, r.Campaign, r.AdSet, r.Ad, r.Keyword} {
		if name != nil {
			text.WriteString(*name)
		}
		text.WriteByte(0)
	}
	return text.String()
}

// sidesOf returns the groups of a report, which come ordered by conversions, and
// adds those to order that are not in it yet.
func sidesOf(r AttributionResult, order []CompareRow) (map[string]CompareSide, []CompareRow) {
	known := make(map[string]bool, len(order))
	for i := range order {
		known[order[i].key()] = true
	}
	sides := make(map[string]CompareSide, len(r.Rows))
	rank := 0
	for i, row := range r.Rows {
		if i == 0 || row.Conversions != r.Rows[i-1].Conversions {
			rank = i + 1
		}
		group := CompareRow{MediaSource: row.MediaSource, Campaign: row.Campaign, AdSet: row.AdSet, Ad: row.Ad, Keyword: row.Keyword}
		key := group.key()
		sides[key] = CompareSide{row.Conversions, row.Revenue, row.Share, rank, row.Unconverted}
		if !known[key] {
			order = append(order, group)
		}
	}
	return sides, order
}

func sideOf(sides map[string]CompareSide, key string) CompareSide {
	if side, ok := sides[key]; ok {
		return side
	}
	return CompareSide{Conversions: Millionths(0), Revenue: Millionths(0), Rank: len(sides) + 1}
}

// subtract returns a - b in millionths.
func subtract(a, b Decimal) (*big.Int, error) {
	x, err := micros(a)
	if err != nil {
		return nil, err
	}
	y, err := micros(b)
	if err != nil {
		return nil, err
	}
	return x.Sub(x, y), nil
}

// micros reads a decimal that millionths made.
func micros(d Decimal) (*big.Int, error) {
	return integer(strings.Replace(string(d), ".", "", 1))
}
