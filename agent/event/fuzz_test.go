package event

import (
	"math/big"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzMoney(f *testing.F) {
	for _, s := range [...]string{"0", "12.5", "-3", "1.25e2", "0.30000000000000004", "1e999",
		"NaN", "1e-999", "999999999999.999999", "1000000000000", "1000000000000.0000005",
		"0.0000005", "0.0000004999", "9e11", "00012", ".5", "5.", "1_0", "0x10", "+7", "--1",
		"1e", "1e+", "", " 1 ", "1e12", "-0.0000015", "10000000000000", "1000000000000.1", "9223372036854775808"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseMoney(s)
		want, expected := exactMoney(s)
		if ok != expected || got != want {
			t.Errorf("%q is %d, %v; exactly %d, %v", s, got, ok, want, expected)
		}
	})
}

// exactMoney does with rational numbers what parseMoney does with digits.
func exactMoney(s string) (int64, bool) {
	s = strings.Trim(s, " \t")
	if strings.Trim(strings.TrimLeft(s, "+-"), "0123456789.eE+-") != "" || len(s) > 40 {
		return parseMoney(s) // beyond what big.Rat is meant for here
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	if len(strings.TrimLeft(exponent, "+-0")) > 3 || strings.HasSuffix(mantissa, ".") {
		return parseMoney(s)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false
	}
	r.Mul(r, big.NewRat(micros, 1))
	half := big.NewRat(1, 2)
	if r.Sign() < 0 {
		half.Neg(half)
	}
	r.Add(r, half)
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if new(big.Int).Abs(n).Cmp(big.NewInt(maxMicros)) > 0 {
		return 0, false
	}
	return n.Int64(), true
}

func FuzzURLCampaign(f *testing.F) {
	f.Add("https://shop.example.com/?utm_source=a&utm_medium=b+c&gclid=1#x")
	f.Add("?utm_source=%zz&utm_source=b&click_id=")
	f.Add("utm_source%3Da%26click_id%3D1")
	f.Add("utm_source%3D%ff%26click_id%3D%00")
	f.Fuzz(func(t *testing.T, address string) {
		var q query
		q.read(address)
		for _, s := range [...]string{q.source, q.medium, q.campaign, q.term, q.ad, q.clickID, q.networkID} {
			if len(s) > MaxShort || utf8.ValidString(address) && !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("%q gives %q", address, s)
			}
		}
		if _, parameters, ok := strings.Cut(address, "?"); ok && utf8.ValidString(address) {
			parameters, _, _ = strings.Cut(parameters, "#")
			values, err := url.ParseQuery(parameters)
			want := values.Get("utm_source")
			if err == nil && want != "" && utf8.ValidString(want) && want == short(want) && !strings.ContainsAny(want, "\x00") && q.source != want {
				t.Errorf("%q: source %q, want %q", address, q.source, want)
			}
		}
		var r query
		r.readReferrer(address)
		for _, s := range [...]string{r.source, r.campaign, r.clickID} {
			if utf8.ValidString(address) && !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("referrer %q gives %q", address, s)
			}
		}
	})
}
