package attribution

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// powers holds 2^(−1/2), 2^(−1/4), 2^(−1/8) … to 320 bits.
type powers []*big.Float

func newPowers() powers {
	var p powers
	root := new(big.Float).SetPrec(320).SetFloat64(0.5)
	for range 280 {
		root = new(big.Float).SetPrec(320).Sqrt(root)
		p = append(p, root)
	}
	return p
}

// exact returns 2^(−numerator/denominator) to about 300 bits, by roots.
func (p powers) exact(numerator, denominator uint64) *big.Float {
	value := new(big.Float).SetPrec(320).SetInt64(1)
	n, d := new(big.Int).SetUint64(numerator), new(big.Int).SetUint64(denominator)
	for _, root := range p {
		if n.Lsh(n, 1); n.Cmp(d) >= 0 {
			n.Sub(n, d)
			value.Mul(value, root)
		}
	}
	return value
}

// weight is the definition of decayWeight in floating point of 320 bits.
func (p powers) weight(age, halfLife int64) uint64 {
	v := p.exact(uint64(age%halfLife), uint64(halfLife))
	v.SetMantExp(v, weightBits-int(min(age/halfLife, 100)))
	w, _ := v.Uint64()
	return w
}

// TestDecayWeightIsTheExactFloor compares with 320 bits on random ages, many of
// them next to a whole number of half-lives.
func TestDecayWeightIsTheExactFloor(t *testing.T) {
	p := newPowers()
	rapid.Check(t, func(t *rapid.T) {
		halfLife := rapid.OneOf(rapid.Just(7*Day), rapid.Int64Range(1, 100), rapid.Int64Range(Hour, 365*Day)).Draw(t, "halfLife")
		for range 20 {
			age := rapid.OneOf(rapid.Int64Range(0, 90*Day), rapid.Int64Range(0, 60)).Draw(t, "age")
			if rapid.Bool().Draw(t, "edge") {
				age = max(0, halfLife*rapid.Int64Range(0, 52).Draw(t, "halvings")+rapid.Int64Range(-2, 2).Draw(t, "ms"))
			}
			if got, want := decayWeight(age, halfLife), p.weight(age, halfLife); got != want {
				t.Fatalf("decayWeight(%d, %d) = %d, want %d", age, halfLife, got, want)
			}
		}
	})
}

// TestFixedPointErrorIsWithinItsBound measures exp2neg over its whole domain.
func TestFixedPointErrorIsWithinItsBound(t *testing.T) {
	p, worst := newPowers(), new(big.Float)
	unit := new(big.Float).SetPrec(320).SetMantExp(big.NewFloat(1), 64)
	for i := uint64(1); i < 3000; i++ {
		x := i * 6148914691236517 // spread over 64 bits, prime to 2^64
		exact := p.exact(x>>1, 1<<63)
		exact.Mul(exact, unit)
		diff := new(big.Float).Sub(exact, new(big.Float).SetPrec(320).SetUint64(exp2neg(x&^1)))
		if diff.Abs(diff).Cmp(worst) > 0 {
			worst = diff
		}
	}
	if worst.Cmp(big.NewFloat(exp2Error-2)) > 0 { // -2: x is cut off as well
		t.Fatalf("exp2neg is off by %v units, bound %d", worst, exp2Error)
	}
	t.Logf("worst error %.2f units of 2^-64, bound %d", worst, exp2Error)
}

// TestBothPrecisionsAgree forces the long computation where the short one is
// sure of itself.
func TestBothPrecisionsAgree(t *testing.T) {
	for age := int64(1); age < 90*Day; age += 77_777_777 {
		if got, want := decayWeightExact(uint64(age)/uint64(7*Day), uint64(age)%uint64(7*Day), uint64(7*Day)), decayWeight(age, 7*Day); got != want {
			t.Fatalf("age %d: %d, want %d", age, got, want)
		}
	}
}

// TestDecayWeightNeverRisesWithAge walks a few days millisecond by millisecond
// around half-lives.
func TestDecayWeightNeverRisesWithAge(t *testing.T) {
	for _, from := range []int64{0, 7*Day - 2000, 14*Day - 2000, 7*48*Day - 2000} {
		last := decayWeight(from, 7*Day)
		for age := from + 1; age < from+4000; age++ {
			w := decayWeight(age, 7*Day)
			if w > last {
				t.Fatalf("weight rises from %d to %d at age %d", last, w, age)
			}
			last = w
		}
	}
}

// TestDecayWeightWhereFixedPointFails holds ages at which 64 bits round to the
// wrong integer. They are golden values for implementations in other languages.
func TestDecayWeightWhereFixedPointFails(t *testing.T) {
	p := newPowers()
	for age, want := range map[int64]uint64{
		3885: 281473723443879, 26482: 281466433961362, 122577: 281435437139614, 126060: 281434313712071, 217036: 281404971360037,
		0: 1 << 48, 7 * Day: 1 << 47, 48 * 7 * Day: 1, 48*7*Day + 1: 0,
	} {
		if got := decayWeight(age, 7*Day); got != want || got != p.weight(age, 7*Day) {
			t.Errorf("decayWeight(%d, 7d) = %d, want %d", age, got, want)
		}
	}
}
