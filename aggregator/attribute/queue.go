package attribute

import (
	"sync"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// linksEach is how many links there is room for beside each touch or conversion:
// an event with three ids states that many.
const linksEach = 3

// queue holds facts for the fast path. It takes what fits: touches and conversions
// up to its limit, links up to linksEach times that.
type queue struct {
	limit int
	ready chan struct{} // has a token when something may be waiting

	mu    sync.Mutex
	facts attribution.Facts
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, ready: make(chan struct{}, 1)}
}

// add appends facts and returns how many did not fit: touches sooner than
// conversions.
func (q *queue) add(f attribution.Facts) int {
	q.mu.Lock()
	room := q.limit - len(q.facts.Conversions) - len(q.facts.Touches)
	conversions := min(room, len(f.Conversions))
	touches := min(room-conversions, len(f.Touches))
	links := min(linksEach*q.limit-len(q.facts.Links), len(f.Links))
	q.facts.Conversions = append(q.facts.Conversions, f.Conversions[:conversions]...)
	q.facts.Touches = append(q.facts.Touches, f.Touches[:touches]...)
	q.facts.Links = append(q.facts.Links, f.Links[:links]...)
	q.mu.Unlock()
	q.wake()
	return size(&f) - conversions - touches - links
}

// take removes up to limit touches and conversions, and linksEach times as many
// links.
func (q *queue) take(limit int) attribution.Facts {
	q.mu.Lock()
	defer q.mu.Unlock()
	var f attribution.Facts
	f.Conversions, q.facts.Conversions = cut(q.facts.Conversions, limit)
	f.Touches, q.facts.Touches = cut(q.facts.Touches, limit-len(f.Conversions))
	f.Links, q.facts.Links = cut(q.facts.Links, linksEach*limit)
	if size(&q.facts) > 0 {
		q.wake()
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

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
