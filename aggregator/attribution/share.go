package attribution

import (
	"cmp"
	"math/bits"
	"slices"
)

// sharer divides whole numbers in proportion to weights without losing any of
// them. It keeps its memory between calls.
type sharer struct {
	remainders []uint64
	order      []int32
}

// share divides total over shares in proportion to weights, by largest
// remainder: each gets ⌊total·w/W⌋, W being the sum of the weights, and the units that
// are left go one by one to the largest remainders of those divisions, to the later of
// equal ones. The shares add up to exactly total. The sum of the
// weights must be positive and below 2^63.
func (s *sharer) share(shares []uint64, total uint64, weights []uint64) {
	var sum uint64
	for _, w := range weights {
		sum += w
	}
	if sum == 0 { // only with settings that Validate refuses
		clear(shares)
		shares[len(shares)-1] = total
		return
	}
	s.remainders = slices.Grow(s.remainders[:0], len(weights))[:len(weights)]
	left := total
	for i, w := range weights {
		high, low := bits.Mul64(total, w)
		shares[i], s.remainders[i] = bits.Div64(high, low, sum) // w <= sum: the quotient fits
		left -= shares[i]
	}
	// The remainders add up to left·sum and each is below sum, so more than left
	// of them are positive.
	if left > 8 {
		s.hand(shares, left)
		return
	}
	for ; left > 0; left-- {
		best := 0
		for i, r := range s.remainders {
			if r >= s.remainders[best] {
				best = i
			}
		}
		shares[best]++
		s.remainders[best] = 0
	}
}

// hand gives one each to the left largest remainders, for long paths.
func (s *sharer) hand(shares []uint64, left uint64) {
	s.order = s.order[:0]
	for i := range shares {
		s.order = append(s.order, int32(i))
	}
	slices.SortFunc(s.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(s.remainders[b], s.remainders[a]), cmp.Compare(b, a))
	})
	for _, i := range s.order[:left] {
		shares[i]++
	}
}

// magnitude returns the absolute value, also of the smallest int64.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// signed gives a share of a magnitude the sign of the whole.
func signed(share uint64, whole int64) int64 {
	if whole < 0 {
		return int64(-share)
	}
	return int64(share)
}
