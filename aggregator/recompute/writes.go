package recompute

import (
	"sync"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// writes tells a computation which rows others of this node wrote while it ran.
// Both may have begun before the other's row was there: then the greater version
// stays, which tells more inputs from fewer, but not a message id's content from
// another one, and the facts of both count as done. So the one that writes last
// looks at these rows again, unless they are of the same inputs.
type writes struct {
	mu      sync.Mutex
	clock   uint64
	running map[uint64]struct{}        // by when they began
	last    map[conversionName]written // of all rows that a running computation may ask for
	enough  int                        // rows in last before the old ones are looked for
	forgot  uint64                     // when all of last was dropped: what began before looks at everything again
}

type written struct {
	at     uint64
	digest uint64 // of the inputs
}

// last holds minWrites rows before it is looked through, and never more than
// maxWrites, however long a computation takes.
const (
	minWrites = 1 << 12
	maxWrites = 1 << 20
)

func newWrites() *writes {
	return &writes{running: make(map[uint64]struct{}), last: make(map[conversionName]written), enough: minWrites}
}

// begin tells of a computation that has not read anything yet. It must end.
func (w *writes) begin() (begun uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock++
	w.running[w.clock] = struct{}{}
	return w.clock
}

// add tells of rows that a computation has written and returns the ids of those
// that another one wrote since it began, of other inputs.
func (w *writes) add(begun uint64, app string, rows []attribution.Row) (crossed []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock++
	for i := range rows {
		name, digest := conversionName{app, rows[i].Conversion.ID}, rows[i].Result.InputDigest
		if other := w.last[name]; w.forgot > begun || other.at > begun && other.digest != digest {
			crossed = append(crossed, name.id)
		}
		if len(w.last) >= maxWrites {
			clear(w.last)
			w.forgot = w.clock
		}
		w.last[name] = written{w.clock, digest}
	}
	return crossed
}

// end forgets a computation, and the rows that nobody asks for any more.
func (w *writes) end(begun uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, begun)
	if len(w.running) > 0 && len(w.last) < w.enough {
		return
	}
	eldest := w.clock
	for began := range w.running {
		eldest = min(eldest, began)
	}
	for name, row := range w.last {
		if row.at <= eldest {
			delete(w.last, name)
		}
	}
	w.enough = max(minWrites, 2*len(w.last))
}
