package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Rate is a stored exchange rate of a day: one unit of From is Rate units of To.
type Rate struct {
	Day  string `json:"day"` // 2026-01-31, UTC
	From string `json:"from"`
	To   string `json:"to"`
	Rate string `json:"rate"` // decimal, at most 18 places
}

// DayRate is the factor by which an amount of a day and a currency is multiplied.
type DayRate struct {
	Day      int32 // since 1970-01-01, UTC
	Currency string
	Rate     *big.Int // units of 10^-18
}

// MaxRateAge is how many days a rate is used for when there is none of the day
// itself: central banks publish none on weekends and holidays.
const MaxRateAge = 7

// maxRateText bounds a rate, in bytes: stored rates have 12 digits and 18 places.
const maxRateText = 64

// rateUnit is 1 in the units of a DayRate.
func rateUnit() *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil) }

// Resolve returns by what amounts of each day from from to before to, and of each
// currency, are converted to a target. The rates of one day decide: the direct
// one, else the inverse, else the cross rate over the first base by name that has
// both; a quotient is rounded to 18 places, half away from zero. A day that has
// none takes that of the latest day before, up to MaxRateAge days.
func Resolve(rates []Rate, target string, from, to time.Time) ([]DayRate, error) {
	byDay := make(map[int32]map[[2]string]*big.Rat)
	currencies := make(map[string]bool)
	for _, r := range rates {
		day, value, err := r.parse()
		if err != nil {
			return nil, err
		}
		if byDay[day] == nil {
			byDay[day] = make(map[[2]string]*big.Rat)
		}
		byDay[day][[2]string{r.From, r.To}] = value
		currencies[r.From], currencies[r.To] = true, true
	}
	delete(currencies, target)
	names := make([]string, 0, len(currencies))
	for c := range currencies {
		names = append(names, c)
	}
	slices.Sort(names)
	var list []DayRate
	for _, c := range names {
		found, at := (*big.Int)(nil), int32(0)
		first, last := dayOf(from), dayOf(to.Add(-time.Millisecond))
		for day := first - MaxRateAge; day <= last; day++ {
			if rate := cross(byDay[day], c, target); rate != nil {
				found, at = rate, day
			}
			if day >= first && found != nil && day-at <= MaxRateAge {
				list = append(list, DayRate{day, c, found})
			}
		}
	}
	return list, nil
}

func dayOf(t time.Time) int32 { return int32(t.UTC().Truncate(24*time.Hour).Unix() / (24 * 60 * 60)) }

func (r *Rate) parse() (int32, *big.Rat, error) {
	day, err := time.Parse(time.DateOnly, r.Day)
	if err != nil {
		return 0, nil, invalid("the day %.40q of a rate is not one such as 2026-01-31", r.Day)
	}
	value, ok := new(big.Rat), len(r.Rate) <= maxRateText && !strings.ContainsAny(r.Rate, "/eEpPxX_") // whose value could be huge
	if ok {
		value, ok = value.SetString(r.Rate)
	}
	if !ok || value.Sign() <= 0 {
		return 0, nil, invalid("the rate %.40q is not a decimal number above 0", r.Rate)
	}
	return dayOf(day), value, nil
}

// cross returns the rate between two currencies from those of one day, nil if
// there is none.
func cross(rates map[[2]string]*big.Rat, from, to string) *big.Int {
	if len(rates) == 0 {
		return nil
	}
	if direct := either(rates, from, to); direct != nil {
		return fixed(direct)
	}
	bases := make([]string, 0, 4)
	for pair := range rates {
		bases = append(bases, pair[0], pair[1])
	}
	slices.Sort(bases)
	for _, base := range slices.Compact(bases) {
		in, out := either(rates, from, base), either(rates, base, to)
		if in != nil && out != nil {
			return fixed(in.Mul(in, out))
		}
	}
	return nil
}

// either returns a rate as it is stored or the inverse of its opposite, a copy.
func either(rates map[[2]string]*big.Rat, from, to string) *big.Rat {
	if r := rates[[2]string{from, to}]; r != nil {
		return new(big.Rat).Set(r)
	}
	if r := rates[[2]string{to, from}]; r != nil {
		return new(big.Rat).Inv(r)
	}
	return nil
}

// fixed rounds a rate to 18 places. One that is 0 then is none.
func fixed(r *big.Rat) *big.Int {
	n := roundAway(new(big.Int).Mul(r.Num(), rateUnit()), r.Denom())
	if n.Sign() == 0 {
		return nil
	}
	return n
}

// roundAway returns a/b rounded to a whole number, half away from zero; b > 0.
func roundAway(a, b *big.Int) *big.Int {
	half := new(big.Int).Rsh(b, 1)
	if b.Bit(0) == 1 {
		half.Add(half, big.NewInt(1)) // 2·rest >= b is rest >= (b+1)/2 for an odd b
	}
	magnitude, rest := new(big.Int).QuoRem(new(big.Int).Abs(a), b, new(big.Int))
	if rest.Cmp(half) >= 0 {
		magnitude.Add(magnitude, big.NewInt(1))
	}
	if a.Sign() < 0 {
		magnitude.Neg(magnitude)
	}
	return magnitude
}

// converted rounds exact amounts, in 10^-24 units, to millionths. The total is
// their sum rounded once, half away from zero; the parts are rounded so that they
// add up to exactly that, by largest remainder, to the later part of equal ones.
func converted(exact []*big.Int) (parts []*big.Int, total *big.Int) {
	unit, sum := rateUnit(), new(big.Int)
	parts, rests, order := make([]*big.Int, len(exact)), make([]*big.Int, len(exact)), make([]int, len(exact))
	floors := new(big.Int)
	for i, n := range exact {
		parts[i], rests[i] = new(big.Int).DivMod(n, unit, new(big.Int)) // the floor, also below 0
		floors.Add(floors, parts[i])
		sum.Add(sum, n)
		order[i] = i
	}
	total = roundAway(sum, unit)
	left := new(big.Int).Sub(total, floors).Int64() // 0 to the number of parts, for each rest is below 1
	slices.SortStableFunc(order, func(a, b int) int {
		if c := rests[b].Cmp(rests[a]); c != 0 {
			return c
		}
		return b - a
	})
	for _, i := range order[:left] {
		parts[i].Add(parts[i], big.NewInt(1))
	}
	return parts, total
}

// MaxRates bounds the rates of one file.
const MaxRates = 1_000_000

// ParseRates reads a file of exchange rates in any of three formats: lines
// "day,from,to,rate" under a header that says so; the European Central Bank's
// history, a column for each currency ("Date,USD,JPY,…", N/A where there is none);
// and its XML. The Bank's rates are from the euro.
func ParseRates(text []byte) ([]Rate, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if bytes.HasPrefix(text, []byte("<")) {
		return parseRatesXML(text)
	}
	lines := csv.NewReader(bytes.NewReader(text))
	lines.FieldsPerRecord, lines.TrimLeadingSpace, lines.ReuseRecord = -1, true, false
	header, err := lines.Read()
	if err != nil {
		return nil, invalid("the file of rates has no header: %v", err)
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	switch {
	case strings.EqualFold(strings.Join(header, ","), "day,from,to,rate"):
		return parseRateLines(lines, func(record []string) ([]Rate, bool) {
			if len(record) != 4 {
				return nil, false
			}
			return []Rate{{record[0], record[1], record[2], record[3]}}, true
		})
	case len(header) > 1 && strings.EqualFold(header[0], "date"):
		return parseRateLines(lines, func(record []string) ([]Rate, bool) { return euroRates(header, record) })
	}
	return nil, invalid(`the first line of the file of rates is neither "day,from,to,rate" nor "Date,USD,…"`)
}

func parseRateLines(lines *csv.Reader, read func([]string) ([]Rate, bool)) ([]Rate, error) {
	var list []Rate
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, invalid("the file of rates cannot be read: %v", err)
		}
		for i := range record {
			record[i] = strings.TrimSpace(record[i])
		}
		rates, ok := read(record)
		line, _ := lines.FieldPos(0)
		if !ok {
			return nil, invalid("line %d of the file of rates has %d fields, which is not what its first line says", line, len(record))
		}
		for i := range rates {
			if _, _, err := rates[i].parse(); err != nil {
				return nil, invalid("line %d of the file of rates: %v", line, err)
			}
		}
		if list = append(list, rates...); len(list) > MaxRates {
			return nil, invalid("the file has more than %d rates: give it in parts", MaxRates)
		}
	}
}

// euroRates reads a line of the Bank's history, whose lines end with a comma.
func euroRates(header, record []string) ([]Rate, bool) {
	if len(record) > len(header)+1 {
		return nil, false
	}
	var list []Rate
	for i := 1; i < min(len(header), len(record)); i++ {
		if header[i] != "" && record[i] != "" && record[i] != "N/A" {
			list = append(list, Rate{record[0], "EUR", header[i], record[i]})
		}
	}
	return list, true
}

// parseRatesXML reads <Cube time="2026-01-30"><Cube currency="USD" rate="1.08"/>….
func parseRatesXML(text []byte) ([]Rate, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var list []Rate
	day := ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, invalid("the XML of rates cannot be read: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Cube" {
			continue
		}
		r := Rate{Day: day, From: "EUR"}
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "time":
				day = a.Value
			case "currency":
				r.To = a.Value
			case "rate":
				r.Rate = a.Value
			}
		}
		if r.To == "" {
			continue
		}
		if _, _, err := r.parse(); err != nil {
			return nil, err
		}
		if list = append(list, r); len(list) > MaxRates {
			return nil, invalid("the file has more than %d rates: give it in parts", MaxRates)
		}
	}
	if len(list) == 0 {
		return nil, invalid("the XML holds no rates: it is not that of the European Central Bank")
	}
	return list, nil
}
