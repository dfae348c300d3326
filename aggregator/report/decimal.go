package report

import (
	"fmt"
	"math/big"
	"strings"
)

// Decimal is an exact decimal number as JSON carries it: "140.000000", or
// "123" for a count.
type Decimal string

// Millionths returns the decimal of an integer number of millionths.
func Millionths(n int64) Decimal { return millionths(big.NewInt(n)) }

// millionths returns the decimal of n millionths. Sums are big because clients
// may send any revenue that fits 64 bits, and a total must not wrap.
func millionths(n *big.Int) Decimal {
	digits := new(big.Int).Abs(n).String()
	if len(digits) < 7 {
		digits = strings.Repeat("0", 7-len(digits)) + digits
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	return Decimal(sign + digits[:len(digits)-6] + "." + digits[len(digits)-6:])
}

// integer reads an integer that SQL gave as text, because it is wider than 64
// bits there.
func integer(text string) (*big.Int, error) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, fmt.Errorf("read integer %q: not decimal digits", text)
	}
	return n, nil
}
