package unmogrowp

import (
	"encoding/json"
	"sync"
)

// Bounds of one request. Segment's API, which the agent serves, takes 500 KB.
const (
	maxBatch      = 100
	maxBatchBytes = 450_000
)

// message is one encoded call and the path it goes to.
type message struct {
	path string
	json []byte
}

// id reads the message's id: it is needed only for the few that are rejected.
func (m message) id() string {
	var ids struct {
		MessageID string `json:"messageId"`
		ID        string `json:"id"`
	}
	_ = json.Unmarshal(m.json, &ids) // an unreadable message has none
	return ids.MessageID + ids.ID
}

// queue holds the messages that wait in memory, in the order of the calls.
type queue struct {
	maxMessages, maxBytes int

	ready chan struct{} // of one element: enough waits for a batch, or somebody waits for it
	first chan struct{} // of one element: there is something

	mu      sync.Mutex
	items   []message
	bytes   int
	closed  bool
	added   uint64 // messages ever
	settled uint64 // messages ever that were answered, rejected or spooled
	waiters []waiter
}

// waiter is a Flush that returns once so many messages are settled.
type waiter struct {
	until uint64
	done  chan struct{}
}

func newQueue(messages, bytes int) *queue {
	return &queue{maxMessages: messages, maxBytes: bytes, ready: make(chan struct{}, 1), first: make(chan struct{}, 1)}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (q *queue) add(m message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case len(q.items) >= q.maxMessages || q.bytes+len(m.json) > q.maxBytes:
		return ErrFull
	}
	q.items = append(q.items, m)
	q.bytes += len(m.json)
	q.added++
	poke(q.first)
	if len(q.items) >= maxBatch || q.bytes >= maxBatchBytes {
		poke(q.ready)
	}
	return nil
}

// take removes the oldest messages that go to one path.
func (q *queue) take(count, bytes int) []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.items) && n < count && q.items[n].path == q.items[0].path {
		if bytes -= len(q.items[n].json) + 1; bytes < 0 && n > 0 {
			break
		}
		n++
	}
	batch := append([]message(nil), q.items[:n]...)
	clear(q.items[:n])
	q.items = q.items[n:]
	for _, m := range batch {
		q.bytes -= len(m.json)
	}
	return batch
}

// giveBack puts messages that were taken to the front again.
func (q *queue) giveBack(batch []message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(append([]message(nil), batch...), q.items...)
	for _, m := range batch {
		q.bytes += len(m.json)
	}
}

// settle counts messages that are done with, in the order they came.
func (q *queue) settle(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settled += uint64(n)
	var still []waiter
	for _, w := range q.waiters {
		if w.until <= q.settled {
			close(w.done)
		} else {
			still = append(still, w)
		}
	}
	q.waiters = still
}

// flush returns a channel that is closed once all that is queued is settled.
func (q *queue) flush() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	done := make(chan struct{})
	if q.added == q.settled {
		close(done)
		return done
	}
	q.waiters = append(q.waiters, waiter{q.added, done})
	poke(q.ready)
	return done
}

// wanted reports whether a batch should go now, however small.
func (q *queue) wanted() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) >= maxBatch || q.bytes >= maxBatchBytes || len(q.waiters) > 0
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) == 0
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
