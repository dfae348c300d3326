package attribution

import (
	"math/big"
	"math/bits"
)

// weightBits: the latest touch of a path weighs 2^48 under time decay. With
// MaxTouches touches the weights of a path add up to less than 2^58.
const weightBits = 48

// decayWeight returns ⌊2^48 · 2^(−age/halfLife)⌋, the floor of the exact real
// number, for age >= 0 and halfLife > 0.
//
// That definition names no algorithm, so every machine, and every other
// language, arrives at the same integer. Floating point would not: the last
// bits of an exponential differ between processors and libraries, and a bit can
// move a millionth of credit from one touch to another.
//
// Here the power is computed in 64-bit fixed point with a proven error of less
// than 2^-59; where that leaves the floor in doubt, once in some thousand
// times, it is computed again with 192 bits. A power of two to a fraction is
// irrational, so with enough bits the doubt always ends.
func decayWeight(age, halfLife int64) uint64 {
	halvings, rest := uint64(age)/uint64(halfLife), uint64(age)%uint64(halfLife)
	if halvings > weightBits {
		return 0
	}
	if rest == 0 {
		return 1 << (weightBits - halvings)
	}
	x, _ := bits.Div64(rest, 0, uint64(halfLife))
	fraction := exp2neg(x)
	drop := 64 - weightBits + halvings // 16 to 64
	low := fraction
	if drop < 64 {
		low = fraction & (1<<drop - 1)
	}
	limit := uint64(1)<<(drop-1)<<1 - 1 // 2^drop - 1, also for 64
	if low < exp2Error || limit-low < exp2Error {
		return decayWeightExact(halvings, rest, uint64(halfLife))
	}
	return fraction >> drop
}

// exp2Error bounds the error of exp2neg in units of 2^-64: 18 steps each add
// less than one unit (a constant and a product are cut off, in opposite
// directions), the cut of x adds less than ln 2, the omitted terms less than
// one.
const exp2Error = 24

// exp2neg returns 2^(−x/2^64) for x > 0 in units of 2^-64. It is the Taylor
// series 1 − x·(c1 − x·(c2 − x·(…))) with ck = (ln 2)^k/k!, cut off to 64 bits.
func exp2neg(x uint64) uint64 {
	t := uint64(0)
	for _, c := range [...]uint64{
		0x0000000000000003, 0x0000000000000066, 0x00000000000009c7,
		0x000000000000e1b7, 0x0000000000131496, 0x0000000001816193,
		0x000000001c3bd650, 0x00000001e8cac735, 0x0000001e4cf5158b,
		0x000001b5253d395e, 0x0000162c0223a5c8, 0x0000ffe5fe2c4586,
		0x000a184897c363c3, 0x005761ff9e299cc4, 0x0276556df749cee5,
		0x0e35846b82505fc5, 0x3d7f7bff058b1d50, 0xb17217f7d1cf79ab,
	} {
		product, _ := bits.Mul64(x, t)
		t = c - product
	}
	product, _ := bits.Mul64(x, t)
	return -product // 2^64 - product
}

// ln2 is ⌊ln 2 · 2^192⌋ in hexadecimal.
const ln2 = "b17217f7d1cf79abc9e3b39803f2f6af40f343267298b62d"

// decayWeightExact is decayWeight by the series of e^(−y) in 192 bits, for
// 0 < rest < halfLife.
func decayWeightExact(halvings, rest, halfLife uint64) uint64 {
	const precision = 192
	y, _ := new(big.Int).SetString(ln2, 16)
	y.Mul(y, new(big.Int).SetUint64(rest))
	y.Quo(y, new(big.Int).SetUint64(halfLife))
	sum := new(big.Int).Lsh(big.NewInt(1), precision)
	term := new(big.Int).Set(sum)
	for k := int64(1); term.Sign() != 0; k++ {
		term.Mul(term, y).Rsh(term, precision)
		term.Quo(term, big.NewInt(k))
		if k%2 == 1 {
			sum.Sub(sum, term)
		} else {
			sum.Add(sum, term)
		}
	}
	return sum.Rsh(sum, uint(precision-weightBits+halvings)).Uint64()
}
