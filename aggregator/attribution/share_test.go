package attribution

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestShareIsLargestRemainder checks the definition itself: the sum, and that
// each share is the floor or one more, the extra ones going to the greatest
// remainders and to the later of equal ones.
func TestShareIsLargestRemainder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Uint64Range(0, 100), rapid.Uint64Range(0, 1<<63)).Draw(t, "total")
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 5), rapid.Uint64Range(0, 1<<48)), 1, 40).Draw(t, "weights")
		weights = append(weights, 1)
		shares := make([]uint64, len(weights))
		var s sharer
		s.share(shares, total, weights)

		sum, given := new(big.Int), uint64(0)
		for i, w := range weights {
			sum.Add(sum, new(big.Int).SetUint64(w))
			given += shares[i]
		}
		if given != total {
			t.Fatalf("shares %v of %v add up to %d, want %d", shares, weights, given, total)
		}
		remainders := make([]*big.Int, len(weights))
		extra := make([]bool, len(weights))
		for i, w := range weights {
			product := new(big.Int).Mul(new(big.Int).SetUint64(total), new(big.Int).SetUint64(w))
			floor, remainder := new(big.Int).QuoRem(product, sum, new(big.Int))
			remainders[i] = remainder
			switch shares[i] - floor.Uint64() {
			case 0:
			case 1:
				extra[i] = true
			default:
				t.Fatalf("share %d is %d, floor %v", i, shares[i], floor)
			}
		}
		for i := range weights {
			for j := range weights {
				c := remainders[i].Cmp(remainders[j])
				if extra[i] && !extra[j] && (c < 0 || c == 0 && i < j) {
					t.Fatalf("touch %d gets the extra unit before %d: remainders %v", i, j, remainders)
				}
			}
		}
	})
}
