package recompute

import (
	"sync"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// linksEach is how many links there is room for beside each touch: an event with
// three ids states that many.
const linksEach = 3

// queue holds facts for the fast path, and takes what fits. Conversions wait
// apart from touches and links: somebody waits for their credit, while the others
// come with nearly every event, and seldom change a conversion that is stored.
type queue struct {
	limit       int           // conversions, touches, and links divided by linksEach
	conversions chan struct{} // has a token when some may be waiting
	others      chan struct{} // the same for touches and links

	mu    sync.Mutex
	facts attribution.Facts
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, conversions: make(chan struct{}, 1), others: make(chan struct{}, 1)}
}

// add appends facts and returns how many did not fit.
func (q *queue) add(f attribution.Facts) int {
	q.mu.Lock()
	conversions := min(q.limit-len(q.facts.Conversions), len(f.Conversions))
	touches := min(q.limit-len(q.facts.Touches), len(f.Touches))
	links := min(linksEach*q.limit-len(q.facts.Links), len(f.Links))
	q.facts.Conversions = append(q.facts.Conversions, f.Conversions[:conversions]...)
	q.facts.Touches = append(q.facts.Touches, f.Touches[:touches]...)
	q.facts.Links = append(q.facts.Links, f.Links[:links]...)
	q.mu.Unlock()
	if conversions > 0 {
		wake(q.conversions)
	}
	if touches+links > 0 {
		wake(q.others)
	}
	return size(&f) - conversions - touches - links
}

// takeConversions removes up to limit conversions.
func (q *queue) takeConversions(limit int) (f attribution.Facts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f.Conversions, q.facts.Conversions = cut(q.facts.Conversions, limit)
	if len(q.facts.Conversions) > 0 {
		wake(q.conversions)
	}
	return f
}

// takeOthers removes up to limit touches and linksEach times as many links.
func (q *queue) takeOthers(limit int) (f attribution.Facts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f.Touches, q.facts.Touches = cut(q.facts.Touches, limit)
	f.Links, q.facts.Links = cut(q.facts.Links, linksEach*limit)
	if len(q.facts.Touches)+len(q.facts.Links) > 0 {
		wake(q.others)
	}
	return f
}

// cut divides a list; the rest is moved, so that the taken part can be freed.
func cut[F any](list []F, n int) (taken, rest []F) {
	if n >= len(list) {
		return list, nil
	}
	return list[:n:n], append([]F(nil), list[n:]...)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
