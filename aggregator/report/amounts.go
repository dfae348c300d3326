package report

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// amount is a sum of revenue in one currency, in millionths, with its value in the
// currency of the query.
type amount struct {
	currency         string
	revenue, unknown *big.Int
	exact            *big.Int // in 10^-24 units
}

// amountOf reads the sums that SQL gave as text.
func amountOf(currency, revenue, exact, unknown string) (amount, error) {
	a := amount{currency: currency}
	for _, field := range []struct {
		into **big.Int
		text string
	}{{&a.revenue, revenue}, {&a.exact, exact}, {&a.unknown, unknown}} {
		n, err := integer(cmp.Or(field.text, "0"))
		if err != nil {
			return a, err
		}
		*field.into = n
	}
	return a, nil
}

// amounts are sums of revenue by currency, and together in that of the query.
type amounts struct {
	exact            big.Int
	revenue, unknown map[string]*big.Int
}

func (l *amounts) add(a amount) {
	if l.revenue == nil {
		l.revenue, l.unknown = make(map[string]*big.Int), make(map[string]*big.Int)
	}
	l.exact.Add(&l.exact, a.exact)
	for _, part := range []struct {
		sums map[string]*big.Int
		n    *big.Int
	}{{l.revenue, a.revenue}, {l.unknown, a.unknown}} {
		if part.sums[a.currency] == nil {
			part.sums[a.currency] = new(big.Int)
		}
		part.sums[a.currency].Add(part.sums[a.currency], part.n)
	}
}

// addAll adds the amounts of another list.
func (l *amounts) addAll(other *amounts) {
	for currency, n := range other.revenue {
		l.add(amount{currency, n, other.unknown[currency], new(big.Int)})
	}
	l.exact.Add(&l.exact, &other.exact)
}

// in returns what there is in a currency, without any conversion.
func (l *amounts) in(currency string) Decimal {
	if n := l.revenue[currency]; n != nil {
		return millionths(n)
	}
	return millionths(new(big.Int))
}

// converted returns the whole in the currency of the query.
func (l *amounts) converted() Decimal { return millionths(roundAway(&l.exact, rateUnit())) }

func (l *amounts) byCurrency() []Money { return moneyOf(l.revenue, true) }

// unconverted are the amounts that have no rate, which the whole leaves out.
func (l *amounts) unconverted() []Money { return moneyOf(l.unknown, false) }

func moneyOf(sums map[string]*big.Int, zero bool) []Money {
	list := make([]Money, 0, len(sums))
	for currency, n := range sums {
		if zero || n.Sign() != 0 {
			list = append(list, Money{currency, millionths(n)})
		}
	}
	slices.SortFunc(list, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) })
	return list
}

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
