package attribution

import "math/big"

// Shapley returns the Shapley value of each channel in the game in which a set of
// channels is worth the conversions of all journeys whose channels it contains. A
// weight is a number of conversions, and they add up to all conversions that met a
// channel.
//
// That game is the sum, over the journeys, of games that are won by exactly those
// sets that contain the journey's channels. In each of these the value is the same
// for all of the journey's channels and nothing for the others, and the value of a
// sum is the sum of the values. So every channel has an equal part of each journey
// that met it, and this is exact for any number of channels. Journeys without a
// conversion are worth nothing.
func Shapley(journeys []Journey) Contribution {
	worth := make([]*big.Int, len(journeys))
	for i := range journeys {
		worth[i] = big.NewInt(journeys[i].Converted)
	}
	return ShapleyOf(journeys, worth)
}

// ShapleyOf is Shapley where each journey is worth the number beside it, such as its
// revenue, instead of its conversions. The weights may be negative then.
func ShapleyOf(journeys []Journey, worth []*big.Int) Contribution {
	channels, at := channelsOf(journeys)
	c := Contribution{Channels: channels, Weights: make([]*big.Rat, len(channels))}
	for i := range c.Weights {
		c.Weights[i] = new(big.Rat)
	}
	for i := range journeys {
		j := &journeys[i]
		met := make(map[int]bool, len(j.Channels))
		for _, name := range j.Channels {
			met[at[name]] = true
		}
		if len(met) == 0 {
			continue
		}
		part := new(big.Rat).SetFrac(worth[i], big.NewInt(int64(len(met))))
		for n := range met {
			c.Weights[n].Add(c.Weights[n], part)
		}
	}
	return c
}
