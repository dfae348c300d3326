package oracle

import (
	"math/big"
	"sort"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

const precision = 256 // bits of the roots of two

// models shares conversions out in rational arithmetic.
type models struct {
	roots []*big.Float // 2^(−1/2), 2^(−1/4), 2^(−1/8) …
}

func newModels() *models {
	m := &models{}
	r := new(big.Float).SetPrec(precision).SetFloat64(0.5)
	for range 128 {
		r = new(big.Float).SetPrec(precision).Sqrt(r)
		m.roots = append(m.roots, r)
	}
	return m
}

// credit shares one million and the revenue under every model.
func (m *models) credit(path []*touch, revenue int64, s *attribution.Settings) []attribution.Credited {
	shares := make([]attribution.Credited, len(path))
	for i := range path {
		shares[i].Touch = path[i]
	}
	if len(path) == 0 {
		return shares
	}
	for model := range attribution.ModelCount {
		weights := m.weights(model, path, s)
		credit := divide(big.NewInt(1_000_000), weights)
		amounts := divide(new(big.Int).Abs(big.NewInt(revenue)), weights)
		for i := range shares {
			shares[i].Credit[model] = credit[i].Int64()
			if revenue < 0 {
				amounts[i].Neg(amounts[i])
			}
			shares[i].Revenue[model] = amounts[i].Int64()
		}
	}
	return shares
}

func (m *models) weights(model attribution.Model, path []*touch, s *attribution.Settings) []*big.Rat {
	n := len(path)
	weights := make([]*big.Rat, n)
	for i, t := range path {
		w := new(big.Rat)
		switch model {
		case attribution.FirstTouch:
			if i == 0 {
				w.SetInt64(1)
			}
		case attribution.LastTouch:
			if i == n-1 {
				w.SetInt64(1)
			}
		case attribution.Linear:
			w.SetInt64(1)
		case attribution.TimeDecay:
			w.SetInt(m.decay(path[n-1].Time-t.Time, s.HalfLife))
		case attribution.PositionBased:
			w = position(i, n, s)
		}
		weights[i] = w
	}
	return weights
}

func position(i, n int, s *attribution.Settings) *big.Rat {
	switch {
	case n == 1, n == 2 && s.PositionFirst+s.PositionLast == 0:
		return big.NewRat(1, 1)
	case i == 0:
		return big.NewRat(s.PositionFirst, 1)
	case i == n-1:
		return big.NewRat(s.PositionLast, 1)
	}
	return big.NewRat(s.PositionMiddle, int64(n-2))
}

// decay returns ⌊2^48 · 2^(−age/halfLife)⌋ by the binary digits of the exponent.
func (m *models) decay(age, halfLife int64) *big.Int {
	value := new(big.Float).SetPrec(precision).SetInt64(1 << 48)
	if halvings := age / halfLife; halvings > 60 {
		return new(big.Int)
	} else {
		value.Quo(value, new(big.Float).SetInt64(1<<halvings))
	}
	rest := age % halfLife
	for _, root := range m.roots {
		if rest *= 2; rest >= halfLife {
			rest -= halfLife
			value.Mul(value, root)
		}
		if rest == 0 {
			break
		}
	}
	floor, _ := value.Int(nil)
	return floor
}

// divide shares total by largest remainder.
func divide(total *big.Int, weights []*big.Rat) []*big.Int {
	sum := new(big.Rat)
	for _, w := range weights {
		sum.Add(sum, w)
	}
	left := new(big.Int).Set(total)
	shares := make([]*big.Int, len(weights))
	remainders := make([]*big.Rat, len(weights))
	order := make([]int, len(weights))
	for i, w := range weights {
		exact := new(big.Rat).SetInt(total)
		exact.Mul(exact, w).Quo(exact, sum)
		shares[i] = new(big.Int).Quo(exact.Num(), exact.Denom())
		remainders[i] = new(big.Rat).Sub(exact, new(big.Rat).SetInt(shares[i]))
		left.Sub(left, shares[i])
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool {
		i, j := order[a], order[b]
		if c := remainders[i].Cmp(remainders[j]); c != 0 {
			return c > 0
		}
		return i > j
	})
	for _, i := range order[:left.Int64()] {
		shares[i].Add(shares[i], big.NewInt(1))
	}
	return shares
}
