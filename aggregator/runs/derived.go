package runs

import (
	"context"
	"fmt"
	"slices"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// A what-if may have another conversion list than the app: events that were stored before
// become conversions in it, and conversions that are not on its list are left out.

// Derivable finds stored events that have no stored conversion.
type Derivable interface {
	// Unstated returns events with from <= time < to that have one of names, or give
	// money back, and no stored conversion.
	Unstated(ctx context.Context, app string, from, to int64, names []string, limit int) ([]protocol.Event, error)
}

// Listed returns the conversions that are some under settings too.
func Listed(conversions []attribution.Conversion, s *attribution.Settings) []attribution.Conversion {
	listed := func(c *attribution.Conversion) bool {
		return c.Install || c.Revenue < 0 || slices.Contains(s.ConversionEvents, c.Name)
	}
	kept := make([]attribution.Conversion, 0, len(conversions))
	for i := range conversions {
		if listed(&conversions[i]) {
			kept = append(kept, conversions[i])
		}
	}
	return kept
}

// derivedPage is how many events are read at once.
const derivedPage = 20_000

// Derived gives the conversions that settings make of stored events of a span, from the
// first time to before the second, and that are none under the app's own settings, to do.
func Derived(ctx context.Context, from Derivable, app string, span [2]int64, s *attribution.Settings, do func([]attribution.Conversion) error) error {
	for at, step := span[0], attribution.Day; at < span[1]; {
		end := min(at+step, span[1])
		events, err := from.Unstated(ctx, app, at, end, s.ConversionEvents, derivedPage)
		if err != nil {
			return err
		}
		if len(events) == derivedPage {
			if step == 1 {
				return fmt.Errorf("derive conversions: more than %d events at one millisecond", derivedPage-1)
			}
			step = max(step/8, 1) // there may be more than were read
			continue
		}
		var facts attribution.Facts
		for i := range events {
			facts.Add(&events[i], s)
		}
		if len(facts.Conversions) > 0 {
			if err := do(facts.Conversions); err != nil {
				return err
			}
		}
		at, step = end, min(4*step, attribution.Day)
	}
	return nil
}
