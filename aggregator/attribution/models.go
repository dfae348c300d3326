package attribution

import "slices"

// ledger computes the shares of a path under the five models.
type ledger struct {
	sharer
	weights []uint64
	shares  []uint64
}

// fill sets Credit and Revenue of every touch of a path, ordered and not empty.
func (l *ledger) fill(path []Credited, revenue int64, s *Settings) {
	n := len(path)
	whole := magnitude(revenue)
	first, last := &path[0], &path[n-1]
	first.Credit[FirstTouch], first.Revenue[FirstTouch] = Million, revenue
	last.Credit[LastTouch], last.Revenue[LastTouch] = Million, revenue
	fillLinear(path, revenue)
	l.weights = slices.Grow(l.weights[:0], n)[:n]
	l.shares = slices.Grow(l.shares[:0], n)[:n]
	for _, m := range [...]Model{TimeDecay, PositionBased} {
		if m == TimeDecay {
			weighDecay(l.weights, path, s)
		} else {
			weighPosition(l.weights, s)
		}
		l.share(l.shares, uint64(Million), l.weights)
		for i, share := range l.shares {
			path[i].Credit[m] = int64(share)
		}
		if whole == 0 {
			continue
		}
		l.share(l.shares, whole, l.weights)
		for i, share := range l.shares {
			path[i].Revenue[m] = signed(share, revenue)
		}
	}
}

// fillLinear is the largest remainder method for equal weights: all remainders
// are equal, so the units that are left go to the last touches.
func fillLinear(path []Credited, revenue int64) {
	n := uint64(len(path))
	whole := magnitude(revenue)
	credit, creditLeft := uint64(Million)/n, uint64(Million)%n
	amount, amountLeft := whole/n, whole%n
	for i := range path {
		c, a := credit, amount
		if uint64(i) >= n-creditLeft {
			c++
		}
		if uint64(i) >= n-amountLeft {
			a++
		}
		path[i].Credit[Linear] = int64(c)
		path[i].Revenue[Linear] = signed(a, revenue)
	}
}

// weighDecay weighs each touch by its age relative to the last touch's: the
// proportions are those of 2^(−age/halfLife), and a path whose touches are all
// old does not vanish.
func weighDecay(weights []uint64, path []Credited, s *Settings) {
	latest := path[len(path)-1].Touch.Time
	halfLife := max(s.HalfLife, 1)
	for i := range path {
		weights[i] = decayWeight(latest-path[i].Touch.Time, halfLife)
	}
}

// weighPosition weighs the first, the last and, together, all between. Two
// touches share in the proportion of first to last; where the weights leave
// nothing to share, all touches are equal.
func weighPosition(weights []uint64, s *Settings) {
	n := len(weights)
	first, middle, last := uint64(s.PositionFirst), uint64(s.PositionMiddle), uint64(s.PositionLast)
	switch {
	case n == 1:
		weights[0] = 1
	case n == 2 && first+last == 0:
		weights[0], weights[1] = 1, 1
	case n == 2:
		weights[0], weights[1] = first, last
	default: // times n-2, to keep whole numbers
		for i := range weights {
			weights[i] = middle
		}
		weights[0], weights[n-1] = first*uint64(n-2), last*uint64(n-2)
	}
}
