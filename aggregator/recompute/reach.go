package recompute

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// A sweep after a backlog finds the facts of a person scattered over all of it. What each
// page of facts can reach is nearly everybody, so that conversions would be computed anew
// for every page. But a computation reads everything that is stored: of the facts that
// were stored before a sweep began it has all, whichever page they are on. So a sweep
// computes every conversion once.

// exactChunk is how many conversions a sweep computes together.
const exactChunk = 20_000

// computed are the conversions that a sweep has computed already.
type computed map[conversionName]struct{}

type conversionName struct{ app, id string }

// has says whether a conversion need not be computed again.
func (c computed) has(app, id string) bool {
	_, ok := c[conversionName{app, id}]
	return ok
}

// add remembers conversions, as many as there is room for: the others are computed
// again, with the same result.
func (c computed) add(app string, ids []string) {
	for _, id := range ids {
		if len(c) < seenFacts {
			c[conversionName{app, id}] = struct{}{}
		}
	}
}

// recomputeOnce is Recompute, except for conversions that were computed before.
func (a *Attributor) recomputeOnce(ctx context.Context, facts *attribution.Facts, before computed) (int, error) {
	total := 0
	for _, s := range seedsOf(facts) {
		n, err := a.recomputeReached(ctx, s, before)
		total += n
		if err != nil {
			return total, fmt.Errorf("recompute attributions of app %s: %w", s.app, err)
		}
	}
	return total, nil
}

func (a *Attributor) recomputeReached(ctx context.Context, s seeds, before computed) (int, error) {
	reached, whole, err := a.reach(ctx, s, before)
	if first, second, ok := s.halves(); ok && (s.divide(err) || err == nil && !whole) {
		n, err := a.recomputeReached(ctx, first, before)
		if err != nil {
			return n, err
		}
		m, err := a.recomputeReached(ctx, second, before)
		return n + m, err
	}
	if err != nil {
		return 0, err
	}
	if !whole {
		a.metrics.truncated.Inc()
	}
	chunks := chunksOf(s.app, reached)
	counts := make([]int, len(chunks))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(a.o.Workers)
	for i := range chunks {
		g.Go(func() (err error) {
			counts[i], err = a.recomputeSeeds(within, chunks[i])
			return err
		})
	}
	err = g.Wait()
	total := 0
	for i := range chunks {
		total += counts[i]
		if err == nil {
			before.add(s.app, chunks[i].ids)
		}
	}
	return total, err
}

// chunksOf are the seeds of conversions that have been read.
func chunksOf(app string, list []attribution.Conversion) []seeds {
	var chunks []seeds
	for len(list) > 0 {
		n := min(len(list), exactChunk)
		s := seeds{app: app, ids: make([]string, n), known: list[:n:n], exact: true}
		for i := range n {
			s.ids[i] = list[i].ID
		}
		chunks, list = append(chunks, s), list[n:]
	}
	return chunks
}

// reach returns the conversions that seeds can reach, except those computed before: what
// these lead to has been reached with them. The second result is false when there were
// more keys than may be read together.
func (a *Attributor) reach(ctx context.Context, s seeds, before computed) ([]attribution.Conversion, bool, error) {
	g := gathering{a: a, app: s.app, keys: make(map[string]bool, len(s.keys)), ids: make(map[string]bool, len(s.ids)), from: s.from, before: before}
	if err := g.conversions(ctx, s.ids); err != nil {
		return nil, false, err
	}
	g.addSeeds(s)
	for range maxRounds {
		if len(g.fresh)+len(g.claims) == 0 {
			break
		}
		if err := g.expand(ctx); err != nil {
			return nil, false, err
		}
	}
	return g.facts.Conversions, !g.full, nil
}
