package attribution

import (
	"fmt"
	"math/big"
)

// MaxMarkovChannels bounds the channels of a Markov model, whose exact solution
// takes the fourth power of their number in time.
const MaxMarkovChannels = 40

// Markov returns the removal effect of each channel in a first-order Markov chain:
// the part of the chance of a conversion that is lost when every step to the
// channel ends the journey instead. Steps from a channel to itself are dropped.
//
// The chances are rational numbers and solved for as such, so that every machine
// has the same result. Where no journey was lost the chain only tells how journeys
// that converted went, and all of its chance is 1.
func Markov(journeys []Journey) (Contribution, error) {
	channels, at := channelsOf(journeys)
	if len(channels) > MaxMarkovChannels {
		return Contribution{}, fmt.Errorf("the journeys have %d channels, a Markov model takes at most %d", len(channels), MaxMarkovChannels)
	}
	steps := countSteps(journeys, at)
	c := Contribution{Channels: channels, Weights: make([]*big.Rat, len(channels))}
	whole := chance(steps, -1)
	for i := range channels {
		effect := new(big.Rat)
		if whole.Sign() > 0 {
			effect.Sub(whole, chance(steps, i))
			effect.Quo(effect, whole)
		}
		c.Weights[i] = effect
	}
	return c, nil
}

// countSteps counts how often each state led to each: the rows are the channels
// and then the start; the columns are the channels, the conversion and the loss.
func countSteps(journeys []Journey, at map[string]int) [][]int64 {
	n := len(at)
	steps := make([][]int64, n+1)
	for i := range steps {
		steps[i] = make([]int64, n+2)
	}
	for i := range journeys {
		j := &journeys[i]
		if len(j.Channels) == 0 {
			continue
		}
		state := n
		for _, name := range j.Channels {
			if next := at[name]; next != state {
				steps[state][next] += j.Converted + j.Lost
				state = next
			}
		}
		steps[state][n] += j.Converted
		steps[state][n+1] += j.Lost
	}
	return steps
}

// chance returns the probability of a conversion from the start, without one
// channel, -1 for with all of them.
//
// With T the number of steps from a state i and N those from i to j, the chances x
// solve T·x(i) − Σ N·x(j) = N(conversion). The numbers are whole, so elimination
// without fractions (Bareiss 1968) keeps them whole and as small as they can be.
// Every state leads to an end, which makes all leading minors positive: no pivot
// is 0. The start is the last unknown, so that there is nothing to put back.
func chance(steps [][]int64, without int) *big.Rat {
	n := len(steps) - 1
	var states []int
	for i, row := range steps {
		if i != without && total(row) > 0 {
			states = append(states, i)
		}
	}
	if len(states) == 0 || states[len(states)-1] != n {
		return new(big.Rat)
	}
	m := make([][]*big.Int, len(states))
	for r, i := range states {
		m[r] = make([]*big.Int, len(states)+1)
		for col, j := range states {
			v := int64(0)
			if j < n {
				v = -steps[i][j]
			}
			if i == j {
				v = total(steps[i])
			}
			m[r][col] = big.NewInt(v)
		}
		m[r][len(states)] = big.NewInt(steps[i][n])
	}
	eliminate(m)
	last := m[len(m)-1]
	return new(big.Rat).SetFrac(last[len(m)], last[len(m)-1])
}

func total(row []int64) int64 {
	sum := int64(0)
	for _, v := range row {
		sum += v
	}
	return sum
}

// eliminate brings a matrix of whole numbers into triangular form.
func eliminate(m [][]*big.Int) {
	previous, product := big.NewInt(1), new(big.Int)
	for k := range len(m) - 1 {
		for i := k + 1; i < len(m); i++ {
			for j := k + 1; j <= len(m); j++ {
				product.Mul(m[i][k], m[k][j])
				m[i][j].Mul(m[i][j], m[k][k])
				m[i][j].Sub(m[i][j], product)
				m[i][j].Quo(m[i][j], previous) // divides without a rest
			}
		}
		previous = m[k][k]
	}
}
