package attribution_test

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// journey reads "a > b > a".
func journey(path string, converted, lost int64) attribution.Journey {
	return attribution.Journey{Channels: strings.Split(path, " > "), Converted: converted, Lost: lost}
}

func weights(c attribution.Contribution) string {
	var b strings.Builder
	for i, w := range c.Weights {
		fmt.Fprintf(&b, "%s %s ", c.Channels[i], w.RatString())
	}
	return strings.TrimSpace(b.String())
}

func TestMarkovOfTheLiterature(t *testing.T) {
	for _, example := range []struct {
		source   string
		journeys []attribution.Journey
		want     string
		credits  string // of all conversions, in millionths
	}{
		{
			source: `S. Puzyrov, "Markov chain attribution: simple explanation of removal effect" (2019)`,
			journeys: []attribution.Journey{
				journey("google ads", 2, 0), journey("mailing", 1, 0), journey("google ads > mailing", 1, 0), journey("google ads", 0, 1),
			},
			want:    "google ads 3/4 mailing 1/2",
			credits: "[2400000 1600000]",
		},
		{
			source: `S. Bryl, "Marketing multi-channel attribution model with R, part 1: Markov chains concept" (2016)`,
			journeys: []attribution.Journey{
				journey("C1 > C2 > C3", 1, 0), journey("C1", 0, 1), journey("C2 > C3", 0, 1),
			},
			want:    "C1 1/2 C2 1 C3 1",
			credits: "[200000 400000 400000]",
		},
	} {
		c, err := attribution.Markov(example.journeys)
		if got := weights(c); err != nil || got != example.want {
			t.Errorf("%s: %s %v, want %s", example.source, got, err, example.want)
		}
		conversions := int64(0)
		for _, j := range example.journeys {
			conversions += j.Converted
		}
		if got := fmt.Sprint(c.Split(big.NewInt(conversions * attribution.Million))); got != example.credits {
			t.Errorf("%s: %s, want %s", example.source, got, example.credits)
		}
	}
}

func TestShapleyOfTheLiterature(t *testing.T) {
	// M. Hegewald, "Data-driven marketing attribution" (2019), per 100 conversions.
	c := attribution.Shapley([]attribution.Journey{
		journey("facebook", 18, 0), journey("google", 4, 0), journey("linkedin", 8, 0), journey("google > facebook", 10, 0),
		journey("facebook > linkedin > facebook", 26, 0), journey("linkedin > google", 7, 0), journey("facebook > google > linkedin", 27, 9),
	})
	if got, want := weights(c), "facebook 45 google 43/2 linkedin 67/2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fmt.Sprint(c.Whole()), "[45 21 34]"; got != want {
		t.Errorf("whole: %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(c.Split(big.NewInt(-101))), "[-45 -22 -34]"; got != want {
		t.Errorf("shares of a loss: %s, want %s", got, want)
	}
}

func TestMarkovDropsStepsToItself(t *testing.T) {
	once, err := attribution.Markov([]attribution.Journey{journey("a > b", 3, 1), journey("b > a", 1, 2)})
	again, err2 := attribution.Markov([]attribution.Journey{journey("a > a > b", 3, 1), journey("b > b > b > a > a", 1, 2)})
	if err != nil || err2 != nil || weights(once) != weights(again) {
		t.Error(weights(once), weights(again), err, err2)
	}
}

func TestMarkovRefusesTooManyChannels(t *testing.T) {
	var journeys []attribution.Journey
	for i := range attribution.MaxMarkovChannels {
		journeys = append(journeys, journey(fmt.Sprintf("c%02d > c%02d", i, (i*7+1)%attribution.MaxMarkovChannels), 1+int64(i), 3))
	}
	if _, err := attribution.Markov(journeys); err != nil {
		t.Error(err)
	}
	if _, err := attribution.Markov(append(journeys, journey("one more", 1, 0))); err == nil {
		t.Error("no error")
	}
}

func drawJourneys(t *rapid.T) []attribution.Journey {
	var journeys []attribution.Journey
	for range rapid.IntRange(0, 12).Draw(t, "journeys") {
		journeys = append(journeys, attribution.Journey{
			Channels:  rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 0, 6).Draw(t, "channels"),
			Converted: rapid.Int64Range(0, 4).Draw(t, "converted"), Lost: rapid.Int64Range(0, 4).Draw(t, "lost"),
		})
	}
	return journeys
}

// TestShapleyEqualsItsDefinition adds up the marginal worth over all sets.
func TestShapleyEqualsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		journeys := drawJourneys(t)
		c := attribution.Shapley(journeys)
		n := len(c.Channels)
		worth := make([]int64, 1<<n)
		for set := range worth {
			for _, j := range journeys {
				within := len(j.Channels) > 0
				for _, name := range j.Channels {
					within = within && set>>slices.Index(c.Channels, name)&1 == 1
				}
				if within {
					worth[set] += j.Converted
				}
			}
		}
		factorial := func(k int) int64 { return new(big.Int).MulRange(1, int64(k)).Int64() }
		for i := range n {
			want := new(big.Rat)
			for set := range worth {
				if size := bits.OnesCount(uint(set)); set>>i&1 == 0 {
					part := big.NewRat(factorial(size)*factorial(n-size-1), factorial(n))
					want.Add(want, part.Mul(part, big.NewRat(worth[set|1<<i]-worth[set], 1)))
				}
			}
			if sum := new(big.Int); i == 0 {
				for _, whole := range c.Whole() {
					sum.Add(sum, whole)
				}
				if sum.Int64() != worth[len(worth)-1] {
					t.Fatalf("whole values add up to %v, want %d", c.Whole(), worth[len(worth)-1])
				}
			}
			if c.Weights[i].Cmp(want) != 0 {
				t.Fatalf("%s: %s, want %s of %v", c.Channels[i], c.Weights[i], want, journeys)
			}
		}
	})
}

// walk follows the chain step by step, in floating point, until next to nobody is
// on the way any more.
func walk(journeys []attribution.Journey, without string) float64 {
	steps, on := map[string]map[string]float64{}, map[string]float64{"(start)": 1}
	for _, j := range journeys {
		state := "(start)"
		for _, end := range []struct {
			name  string
			count int64
		}{{"(conversion)", j.Converted}, {"(loss)", j.Lost}} {
			state = "(start)"
			for _, next := range append(slices.Compact(slices.Clone(j.Channels)), end.name) {
				if steps[state] == nil {
					steps[state] = map[string]float64{}
				}
				if len(j.Channels) > 0 {
					steps[state][next] += float64(end.count)
				}
				state = next
			}
		}
	}
	won := 0.0
	for range 3000 {
		next := map[string]float64{}
		for state, share := range on {
			sum := 0.0
			for _, n := range steps[state] {
				sum += n
			}
			for to, n := range steps[state] {
				switch {
				case n == 0, to == without, to == "(loss)":
				case to == "(conversion)":
					won += share * n / sum
				default:
					next[to] += share * n / sum
				}
			}
		}
		on = next
	}
	return won
}

// TestMarkovEqualsWalking compares with following the chain, and checks that every
// split adds up.
func TestMarkovEqualsWalking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		journeys := drawJourneys(t)
		c, err := attribution.Markov(journeys)
		if err != nil {
			t.Fatal(err)
		}
		whole := walk(journeys, "")
		for i, w := range c.Weights {
			want := 0.0
			if whole > 0 {
				want = 1 - walk(journeys, c.Channels[i])/whole
			}
			if got, _ := w.Float64(); math.Abs(got-want) > 1e-9 || w.Sign() < 0 {
				t.Fatalf("%s: %v, want %v of %v", c.Channels[i], got, want, journeys)
			}
		}
		amount, sum := big.NewInt(rapid.Int64().Draw(t, "amount")), new(big.Int)
		for _, s := range c.Split(amount) {
			sum.Add(sum, s)
		}
		if len(c.Channels) > 0 && sum.Cmp(amount) != 0 {
			t.Fatalf("shares of %v add up to %v", amount, sum)
		}
	})
}
