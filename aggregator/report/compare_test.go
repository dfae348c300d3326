package report

import (
	"encoding/json"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

func TestCompareTellsCreditAndRank(t *testing.T) {
	q := january()
	sum := func(source, credit, revenue string) CreditSum {
		return CreditSum{Group: []string{source}, Paid: true, Currency: "EUR", Credit: credit, Revenue: revenue}
	}
	q.Model = attribution.FirstTouch
	first, err := q.attributionOf([]CreditSum{sum("meta", "3000000", "30000000"), sum("google", "1000000", "-10000000"), sum("podcast", "1000000", "0")})
	if err != nil {
		t.Fatal(err)
	}
	q.Model = attribution.LastTouch
	last, err := q.attributionOf([]CreditSum{sum("google", "4000000", "20000000"), sum("organic", "1000000", "0")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Compare(first, last)
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		source                string
		a, b                  int
		rank                  int
		conversions, revenues Decimal
	}
	var lines []line
	for _, r := range got.Rows {
		lines = append(lines, line{*r.MediaSource, r.A.Rank, r.B.Rank, r.Difference.Rank, r.Difference.Conversions, r.Difference.Revenue})
	}
	want := []line{
		{"meta", 1, 3, -2, "-3.000000", "-30.000000"},
		{"google", 2, 1, 1, "3.000000", "30.000000"},
		{"podcast", 2, 3, -1, "-1.000000", "0.000000"},
		{"organic", 4, 2, 2, "1.000000", "0.000000"},
	}
	if len(lines) != len(want) {
		t.Fatalf("%+v", lines)
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("row %d: %+v, want %+v", i, lines[i], want[i])
		}
	}
	if got.Total.A.Conversions != "5.000000" || got.Total.B.Revenue != "20.000000" || got.A != "first_touch" || got.B != "last_touch" {
		t.Errorf("%+v", got.Total)
	}
	if text, err := json.Marshal(got.Rows[0].Campaign); err != nil || string(text) != "null" {
		t.Errorf("%s %v", text, err)
	}
}
