package report

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestDataDrivenTotalsAreExact shares out random paths with refunds and several
// currencies: nothing is lost or made up, whatever the order of the rows.
func TestDataDrivenTotalsAreExact(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 100 {
		var sums []JourneySum
		conversions, revenue := int64(0), int64(0)
		for range r.IntN(20) {
			s := JourneySum{Conversions: 1 + r.Int64N(9), Paid: r.IntN(3) > 0, Revenue: "0", Channels: []string{}}
			for range r.IntN(5) {
				s.Channels = append(s.Channels, string(rune('a'+r.IntN(6))))
			}
			conversions += s.Conversions
			if s.Paid {
				s.Currency = []string{"EUR", "USD"}[r.IntN(2)]
				amount := r.Int64N(2_000_000_000) - 1_000_000_000
				s.Revenue, s.Exact = fmt.Sprint(amount), fmt.Sprint(amount)+"000000000000000000"
				if s.Currency == "USD" {
					s.Exact, s.Unknown = "0", s.Revenue
				}
				if s.Currency == "EUR" {
					revenue += amount
				}
			}
			sums = append(sums, s)
		}
		for _, model := range DataModels() {
			q := january()
			q.DataDriven, q.Currency = model, "EUR"
			got, err := q.DataDrivenOf(sums)
			if err != nil || got.Total.Conversions != Millionths(conversions*1e6) || got.Total.Revenue != Millionths(revenue) {
				t.Fatalf("seed %d, %s: total %+v %v, want %d conversions and %d", seed, model, got.Total, err, conversions, revenue)
			}
			r.Shuffle(len(sums), func(i, j int) { sums[i], sums[j] = sums[j], sums[i] })
			if again, err := q.DataDrivenOf(sums); err != nil || fmt.Sprint(text(again.Rows)) != fmt.Sprint(text(got.Rows)) {
				t.Fatalf("seed %d, %s: the result depends on the order of the rows", seed, model)
			}
		}
	}
}

func text(rows []AttributionRow) []string {
	var list []string
	for _, r := range rows {
		list = append(list, fmt.Sprint(*r.MediaSource, r.Conversions, r.Revenue, r.RevenueByCurrency))
	}
	return list
}
