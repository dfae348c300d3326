package report

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestResolveTakesDirectInverseAndCrossRates(t *testing.T) {
	rates := []Rate{
		{"2026-01-01", "EUR", "USD", "1.25"}, {"2026-01-01", "EUR", "JPY", "160"}, {"2026-01-01", "USD", "CAD", "1.4"},
		{"2026-01-03", "EUR", "USD", "3"},
		{"2025-12-20", "EUR", "GBP", "0.8"},
	}
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	list, err := Resolve(rates, "EUR", at(1), at(11))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range list {
		day := time.Unix(int64(r.Day)*24*60*60, 0).UTC().Format("02")
		lines = append(lines, fmt.Sprintf("%s %s %s", day, r.Currency, new(big.Rat).SetFrac(r.Rate, rateUnit()).FloatString(18)))
	}
	want := []string{
		// CAD over USD on the first; on the third only EUR/USD is there, so the first stays.
		"01 CAD 0.571428571428571429", "08 CAD 0.571428571428571429", "01 JPY 0.006250000000000000", "08 JPY 0.006250000000000000",
		"01 USD 0.800000000000000000", "02 USD 0.800000000000000000", "03 USD 0.333333333333333333", "10 USD 0.333333333333333333",
	}
	text := strings.Join(lines, "\n")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s is missing in\n%s", w, text)
		}
	}
	for _, no := range []string{"09 JPY", "GBP", "EUR"} {
		if strings.Contains(text, no) {
			t.Errorf("%s is too old, or the target itself:\n%s", no, text)
		}
	}
}

func TestConvertedPartsSumToTheTotal(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for range 1000 {
		var exact []*big.Int
		sum := new(big.Int)
		for range r.IntN(12) {
			n := new(big.Int).Mul(big.NewInt(r.Int64()-r.Int64()), big.NewInt(r.Int64N(1e12)))
			exact = append(exact, n)
			sum.Add(sum, n)
		}
		parts, total := converted(exact)
		all := new(big.Int)
		for i, p := range parts {
			all.Add(all, p)
			off := new(big.Int).Sub(new(big.Int).Mul(p, rateUnit()), exact[i])
			if off.CmpAbs(rateUnit()) >= 0 {
				t.Fatalf("seed %d: part %d of %v is %v, a unit or more away", seed, i, exact[i], p)
			}
		}
		if all.Cmp(total) != 0 || total.Cmp(roundAway(sum, rateUnit())) != 0 {
			t.Fatalf("seed %d: parts add up to %v, the total is %v", seed, all, total)
		}
	}
}

func TestRoundAway(t *testing.T) {
	for _, c := range [][3]int64{{5, 10, 1}, {4, 10, 0}, {-5, 10, -1}, {-4, 10, 0}, {1, 3, 0}, {2, 3, 1}, {-2, 3, -1}, {3, 2, 2}, {7, 7, 1}, {0, 9, 0}} {
		if got := roundAway(big.NewInt(c[0]), big.NewInt(c[1])); got.Int64() != c[2] {
			t.Errorf("%d/%d is %v, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestReportTellsWhatHasNoRate(t *testing.T) {
	q := january()
	q.Currency = "EUR"
	got, err := q.attributionOf([]CreditSum{
		{Group: []string{"meta"}, Paid: true, Currency: "USD", Credit: "1000000", Revenue: "10", Exact: "8500000000000000000"},
		{Group: []string{"meta"}, Paid: true, Currency: "JPY", Credit: "1000000", Revenue: "5", Exact: "0", Unknown: "5"},
		{Group: []string{"google"}, Paid: true, Currency: "USD", Credit: "3000000", Revenue: "30", Exact: "25500000000000000000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	// 25.5 + 8.5 = 34 millionths: one of the halves is rounded up, the other down.
	if got.Total.Revenue != "0.000034" || got.Rows[0].Revenue != "0.000025" || got.Rows[1].Revenue != "0.000009" {
		t.Errorf("%+v", got)
	}
	want := Money{"JPY", "0.000005"}
	if len(got.Total.Unconverted) != 1 || got.Total.Unconverted[0] != want || len(got.Rows[1].Unconverted) != 1 || len(got.Rows[0].Unconverted) != 0 {
		t.Errorf("unconverted: %+v", got)
	}
	if len(got.Rows[1].RevenueByCurrency) != 2 {
		t.Errorf("the originals are lost: %+v", got.Rows[1])
	}
}

func TestParseRates(t *testing.T) {
	history := "Date,USD,JPY,BGN,\n2026-01-30,1.0842,161.5,N/A,\n2026-01-29,1.08,160,1.9558,\n"
	lines := "day,from,to,rate\n2026-01-30,EUR,USD,1.0842\n 2026-01-30, EUR, JPY, " +
		"161.5\n2026-01-29,EUR,USD,1.08\n2026-01-29,EUR,JPY,160\n2026-01-29,EUR,BGN,1.9558\n"
	daily := `<?xml version="1.0"?><gesmes:Envelope xmlns:gesmes="x" xmlns="y"><Cube><Cube time="2026-01-30"><Cube currency="USD" rate="1.0842"/><Cube currency="JPY" rate="161.5"/></Cube>` +
		`<Cube time="2026-01-29"><Cube currency="USD" rate="1.08"/><Cube currency="JPY" rate="160"/><Cube currency="BGN" rate="1.9558"/></Cube></Cube></gesmes:Envelope>`
	for name, text := range map[string]string{"history": history, "lines": lines, "xml": daily, "bom": "\ufeff" + lines} {
		got, err := ParseRates([]byte(text))
		if err != nil || len(got) != 5 || got[0] != (Rate{"2026-01-30", "EUR", "USD", "1.0842"}) || got[4] != (Rate{"2026-01-29", "EUR", "BGN", "1.9558"}) {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "a,b\n", "<html></html>", "day,from,to,rate\n2026-01-30,EUR,USD\n", "day,from,to,rate\n30.1.2026,EUR,USD,1\n",
		"Date,USD\n2026-01-30,1e9\n", "Date,USD\n2026-01-30,-1\n", "<Cube><Cube currency='USD' rate='x'/>",
		"Date,USD\n2026-01-30,1e1000000\n", "Date,USD\n2026-01-30,1." + strings.Repeat("0", maxRateText) + "\n"} {
		if got, err := ParseRates([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func FuzzParseRates(f *testing.F) {
	f.Add([]byte("Date,USD,\n2026-01-30,1.0842,\n"))
	f.Add([]byte(`<Cube time="2026-01-30"><Cube currency="USD" rate="1.0842"/></Cube>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rates, err := ParseRates(text)
		if err != nil {
			return
		}
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if _, err := Resolve(rates, "EUR", from, from.AddDate(0, 1, 0)); err != nil {
			t.Fatal(err)
		}
	})
}
