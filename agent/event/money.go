package event

// micros is one unit of money in the millionths that events count in.
const micros = 1_000_000

// maxMicros bounds an amount to 10^12 units: sums stay far from overflow.
const maxMicros = 1_000_000_000_000 * micros

// parseMoney reads a decimal number such as "12.5", "-3" or "1.25e2" into
// millionths, exactly: no floating point is involved. Digits beyond the sixth
// decimal round half away from zero, so that 0.30000000000000004, which
// JavaScript makes of 0.1+0.2, is 0.3. It refuses what is not a decimal number
// and what is out of range.
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

// parseCurrency returns an ISO 4217 code in upper case.
func parseCurrency(s string) (string, bool) {
	if len(s) != 3 {
		return "", false
	}
	var upper [3]byte
	same := true
	for i := range 3 {
		c := s[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
			same = false
		}
		if c < 'A' || c > 'Z' {
			return "", false
		}
		upper[i] = c
	}
	if same {
		return s, true
	}
	return string(upper[:]), true
}
