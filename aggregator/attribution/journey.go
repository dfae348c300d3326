package attribution

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
)

// Journey are people who met the same channels in the same order: how many of
// their journeys ended with a conversion, and how many without.
type Journey struct {
	Channels  []string
	Converted int64
	Lost      int64
}

// Contribution says what part of a whole each channel has. Channels are ordered
// by name; the weights are exact, at least 0, and parallel to them.
type Contribution struct {
	Channels []string
	Weights  []*big.Rat
}

// Split shares a whole number out in proportion to the weights, by largest
// remainder, to the later channel of equal ones: the shares add up to exactly the
// whole. If every weight is 0 the channels are equal. Of no channels there are no
// shares.
func (c *Contribution) Split(whole *big.Int) []*big.Int {
	weights := c.Weights
	if len(weights) == 0 {
		return nil
	}
	sum := new(big.Rat)
	for _, w := range weights {
		sum.Add(sum, w)
	}
	if sum.Sign() == 0 {
		weights = slices.Repeat([]*big.Rat{big.NewRat(1, 1)}, len(weights))
		sum.SetInt64(int64(len(weights)))
	}
	left := new(big.Int).Abs(whole)
	magnitude := new(big.Rat).SetInt(left) // a copy
	shares, rests, order := make([]*big.Int, len(weights)), make([]*big.Rat, len(weights)), make([]int, len(weights))
	for i, w := range weights {
		part := new(big.Rat).Mul(magnitude, w)
		part.Quo(part, sum)
		shares[i] = new(big.Int).Quo(part.Num(), part.Denom())
		rests[i] = part.Sub(part, new(big.Rat).SetInt(shares[i]))
		left.Sub(left, shares[i])
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(rests[b].Cmp(rests[a]), cmp.Compare(b, a)) })
	one := big.NewInt(1)
	for _, i := range order[:left.Int64()] { // the rests are below 1, so fewer units are left than channels
		shares[i].Add(shares[i], one)
	}
	if whole.Sign() < 0 {
		for _, s := range shares {
			s.Neg(s)
		}
	}
	return shares
}

// Whole returns the weights as whole numbers, by largest remainder as Split does:
// if they add up to a whole number, so do these, to the same.
func (c *Contribution) Whole() []*big.Int {
	shares, rests, order := make([]*big.Int, len(c.Weights)), make([]*big.Rat, len(c.Weights)), make([]int, len(c.Weights))
	left := new(big.Rat)
	for i, w := range c.Weights {
		shares[i] = new(big.Int).Div(w.Num(), w.Denom()) // the floor, also below 0
		rests[i] = new(big.Rat).Sub(w, new(big.Rat).SetInt(shares[i]))
		left.Add(left, rests[i])
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(rests[b].Cmp(rests[a]), cmp.Compare(b, a)) })
	units := new(big.Int).Quo(left.Num(), left.Denom()).Int64()
	for _, i := range order[:units] {
		shares[i].Add(shares[i], big.NewInt(1))
	}
	return shares
}

// channelsOf returns the channels of all journeys, ordered, and where each is.
func channelsOf(journeys []Journey) ([]string, map[string]int) {
	at := make(map[string]int)
	for i := range journeys {
		for _, c := range journeys[i].Channels {
			at[c] = 0
		}
	}
	channels := slices.Sorted(maps.Keys(at))
	for i, c := range channels {
		at[c] = i
	}
	return channels, at
}
