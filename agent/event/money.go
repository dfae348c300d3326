package event

import "strings"

// micros is one unit of money in the millionths that events count in.
const micros = 1_000_000

// maxMicros bounds an amount to 10^12 units: sums stay far from overflow.
const maxMicros = 1_000_000_000_000 * micros

// parseMoney reads a decimal number such as "12.5", "-3" or "1.25e2" into
// millionths, exactly: no floating point is involved. Digits beyond the sixth
// decimal round half away from zero, so that 0.30000000000000004, which
// JavaScript makes of 0.1+0.2, is 0.3. It refuses text that is not a decimal
// number, and numbers out of range.
func parseMoney(s string) (int64, bool) {
	s = trimSpace(s)
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	mantissa, exponent, ok := splitExponent(s)
	if !ok {
		return 0, false
	}
	amount, ok := scaled(mantissa, exponent+6)
	if !ok {
		return 0, false
	}
	if negative {
		amount = -amount
	}
	return amount, true
}

func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// splitExponent cuts "1.5e3" into its mantissa and 3. Exponents beyond ±9999
// count as that: such a number is zero or out of range in any case.
func splitExponent(s string) (mantissa string, exponent int, ok bool) {
	for i := range len(s) {
		if s[i]|0x20 != 'e' {
			continue
		}
		mantissa, s = s[:i], s[i+1:]
		negative := false
		if s != "" && (s[0] == '-' || s[0] == '+') {
			negative = s[0] == '-'
			s = s[1:]
		}
		if s == "" {
			return "", 0, false
		}
		for _, c := range []byte(s) {
			if c < '0' || c > '9' {
				return "", 0, false
			}
			exponent = min(exponent*10+int(c-'0'), 9999)
		}
		if negative {
			exponent = -exponent
		}
		return mantissa, exponent, true
	}
	return s, 0, true
}

// scaled is the mantissa × 10^shift, rounded half away from zero.
func scaled(mantissa string, shift int) (int64, bool) {
	digits, point := 0, -1
	for i := range len(mantissa) {
		switch c := mantissa[i]; {
		case c == '.' && point < 0:
			point = digits
		case c >= '0' && c <= '9':
			digits++
		default:
			return 0, false
		}
	}
	if digits == 0 || mantissa[len(mantissa)-1] == '.' {
		return 0, false
	}
	if point < 0 {
		point = digits
	}
	whole := point + shift // how many digits stand before the decimal point of the result
	if whole < 0 {
		return 0, true
	}
	var amount int64
	seen := 0
	for i := range len(mantissa) {
		c := mantissa[i]
		if c == '.' {
			continue
		}
		if seen == whole {
			if c >= '5' {
				amount++
			}
			return amount, amount <= maxMicros
		}
		seen++
		if amount > maxMicros/10 {
			return 0, false
		}
		amount = amount*10 + int64(c-'0')
	}
	if amount == 0 {
		return 0, true
	}
	for ; seen < whole; seen++ {
		if amount > maxMicros/10 {
			return 0, false
		}
		amount *= 10
	}
	return amount, amount <= maxMicros
}

// parsePrice reads an amount as people and shops write it: with a currency's sign, code or name
// before or behind it, with commas, points, spaces or apostrophes between thousands, with a decimal
// comma, and with a minus or brackets for less than nothing. It returns what stood around the
// number. Of a point and a comma the last one is the decimal point; a lone comma is one unless
// three digits follow it ("1,234" is a thousand and more), a lone point always is.
func parsePrice(s string) (amount int64, around string, ok bool) {
	s = strings.TrimSpace(strings.NewReplacer("\u00a0", " ", "\u202f", " ", "\u2009", " ", "\u2212", "-", "\u2019", "'").Replace(s))
	if len(s) > 64 {
		return 0, "", false
	}
	negative := false
	if inner, found := strings.CutPrefix(s, "("); found && strings.HasSuffix(inner, ")") {
		s, negative = strings.TrimSuffix(inner, ")"), true
	}
	from := strings.IndexAny(s, "0123456789")
	to := strings.LastIndexAny(s, "0123456789") + 1
	if from < 0 {
		return 0, "", false
	}
	if from > 0 && s[from-1] == '.' && (from == 1 || s[from-2] == ' ' || s[from-2] == '-' || s[from-2] == '$') { // $.99
		from--
	}
	before, number, behind := s[:from], s[from:to], s[to:]
	if strings.Count(before, "-")+strings.Count(before, "+") > 1 {
		return 0, "", false
	}
	if strings.ContainsAny(before, "-") || strings.HasPrefix(strings.TrimSpace(behind), "-") && strings.Trim(behind, " -") == "" {
		negative = true
	}
	around = strings.Trim(strings.TrimSpace(strings.Trim(before, " -+"))+" "+strings.TrimSpace(strings.Trim(behind, " -,.–")), " ")
	plain, ok := plainNumber(number)
	if !ok {
		return 0, around, false
	}
	if amount, ok = parseMoney(plain); negative {
		amount = -amount
	}
	return amount, around, ok
}

// plainNumber writes a number of people as one with a decimal point at most.
func plainNumber(s string) (string, bool) {
	point, comma := strings.LastIndexByte(s, '.'), strings.LastIndexByte(s, ',')
	decimal := -1
	switch {
	case point >= 0 && comma >= 0:
		decimal = max(point, comma)
	case point >= 0 && strings.Count(s, ".") == 1:
		decimal = point
	case comma >= 0 && strings.Count(s, ",") == 1 && len(s)-comma-1 != 3:
		decimal = comma
	}
	out, g := make([]byte, 0, len(s)), groups{}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			out = append(out, c)
			g.digits++
		case i == decimal:
			if out = append(out, '.'); !g.end() {
				return "", false
			}
		case decimal >= 0 && i > decimal || !g.separate(c):
			return "", false
		}
	}
	return string(out), decimal >= 0 || g.end()
}

// groups checks the digits between separators: one to three first, then three each, or two each
// and three at the end, as in India.
type groups struct {
	separator byte
	digits    int // since the last separator
}

func (g *groups) separate(c byte) bool {
	if c != '.' && c != ',' && c != ' ' && c != '\'' || g.digits == 0 || g.digits > 3 || g.separator != 0 && (g.separator != c || g.digits < 2) {
		return false
	}
	g.separator, g.digits = c, 0
	return true
}

// end is the end of the whole number.
func (g *groups) end() bool { return g.separator == 0 || g.digits == 3 }
