package buffer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// maxAhead is how far Next runs ahead of the low-water mark: it bounds the
// record of blocks that were acknowledged out of order.
const maxAhead = 4096

// Next returns the first block after the sequence `after` that has not been
// acknowledged, and waits for one if there is none. The block is the caller's.
func (q *Queue) Next(ctx context.Context, after uint64) (block []byte, seq uint64, err error) {
	for {
		seq, wait, err := q.pick(after)
		if err != nil {
			return nil, 0, err
		}
		if wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
				return nil, 0, ctx.Err()
			}
			continue
		}
		block, b, err := q.read(seq)
		if errors.Is(err, errDamaged) {
			q.giveUp(seq, err)
			q.buryDamaged(seq, block, err)
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read block %d: %w", seq, err)
		}
		q.mu.Lock()
		if seq > q.state.mark.low {
			q.state.handed[seq] = size{bytes: int64(len(block)), events: int64(b.Count)}
		}
		pause := q.state.courtesy.gave(q.opts.Now(), int64(len(block)))
		q.mu.Unlock()
		return block, seq, daemon.Sleep(ctx, pause)
	}
}

// pick finds the next sequence to read, or what to wait for.
func (q *Queue) pick(after uint64) (seq uint64, wait <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, nil, ErrClosed
	}
	s := &q.state
	seq = max(after, s.mark.low) + 1
	for {
		if h, ok := s.hole(seq); ok {
			seq = h.last + 1
		} else if _, ok := s.acked[seq]; ok {
			seq++
		} else {
			break
		}
	}
	switch {
	case seq > s.mark.tail:
		return 0, s.stored, nil
	case seq > s.mark.low+maxAhead:
		return 0, s.forgotten, nil
	}
	return seq, nil, nil
}

// giveUp turns a block that turned out to be unreadable into a hole.
func (q *Queue) giveUp(seq uint64, cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || seq <= q.state.mark.low {
		return
	}
	if _, ok := q.state.hole(seq); ok {
		return
	}
	q.lost(span{seq, seq}, cause.Error())
	slices.SortFunc(q.state.holes, func(a, b span) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	q.advanceLocked()
}

// hole returns the lost range that holds seq.
func (s *state) hole(seq uint64) (span, bool) {
	for _, h := range s.holes {
		if h.first <= seq && seq <= h.last {
			return h, true
		}
	}
	return span{}, false
}

// Forget says that an aggregator has stored block seq. Forgetting a block
// twice does nothing; forgetting one that Next has not given out is an error.
func (q *Queue) Forget(seq uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &q.state
	if q.closed {
		return ErrClosed
	}
	if seq <= s.mark.low {
		return nil
	}
	if _, ok := s.acked[seq]; ok {
		return nil
	}
	sz, ok := s.handed[seq]
	if !ok {
		return fmt.Errorf("forget block %d: it was not sent", seq)
	}
	delete(s.handed, seq)
	s.acked[seq] = sz
	s.liveBytes -= sz.bytes
	s.liveEvents -= sz.events
	s.liveBlocks--
	q.advanceLocked()
	q.wakeLocked(&s.forgotten)
	return nil
}

// advanceLocked moves the low-water mark over everything that is acknowledged
// or lost.
func (q *Queue) advanceLocked() {
	s := &q.state
	now := q.opts.Now().UnixMilli()
	for {
		next := s.mark.low + 1
		if sz, ok := s.acked[next]; ok {
			delete(s.acked, next)
			s.kept.add(next, sz, now, &q.opts)
			s.mark.low = next
		} else if len(s.holes) > 0 && s.holes[0].first <= next && next <= s.holes[0].last {
			s.mark.low = s.holes[0].last
			s.holes = s.holes[1:]
		} else {
			break
		}
	}
	for last := range s.spans {
		if last <= s.mark.low {
			delete(s.spans, last)
		}
	}
}

// WaitStored returns when the block seq, which Append has returned, has been
// acknowledged by an aggregator.
func (q *Queue) WaitStored(ctx context.Context, seq uint64) error {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return ErrClosed
		}
		done := q.state.isAcked(seq)
		wait := q.state.forgotten
		q.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *state) isAcked(seq uint64) bool {
	first, ok := s.spans[seq]
	if !ok {
		first = seq
	}
	for ; first <= seq; first++ {
		if _, ok := s.acked[first]; !ok && first > s.mark.low {
			return false
		}
	}
	return true
}

// span remembers that the Append which returned `last` began in block `first`.
func (s *state) span(first, last uint64) {
	if last > s.mark.low {
		if old, ok := s.spans[last]; !ok || first < old {
			s.spans[last] = first
		}
	}
}

// readOldest reads when the oldest event of a block was received.
func (q *Queue) readOldest(seq uint64) int64 {
	_, b, err := q.read(seq)
	if err != nil {
		return 0
	}
	raw, err := q.codec.Raw(&b)
	if err != nil || len(raw) <= arrayHeader {
		return 0
	}
	n, _, err := cutEvents(raw[arrayHeader:], 0)
	if err != nil {
		return 0
	}
	events, err := protocol.DecodeEvents(append(protocol.AppendEvents(nil, 1), raw[arrayHeader:arrayHeader+n]...))
	if err != nil || len(events) == 0 {
		return 0
	}
	return events[0].Received
}

// oldestCache remembers the time of the oldest event while its block stays the
// oldest one.
type oldestCache struct {
	mu   sync.Mutex
	seq  uint64
	time int64
}

func (c *oldestCache) of(seq uint64, read func(uint64) int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seq != seq {
		c.seq, c.time = seq, read(seq)
	}
	return c.time
}

// Each visits the blocks that are not acknowledged now, in order, and skips
// unreadable ones.
func (q *Queue) Each(ctx context.Context, visit func(seq uint64, block []byte) error) error {
	first, next, _ := q.Position()
	for seq := first; seq < next; seq++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		q.mu.Lock()
		_, acked := q.state.acked[seq]
		_, lost := q.state.hole(seq)
		q.mu.Unlock()
		if acked || lost {
			continue
		}
		block, _, err := q.read(seq)
		if errors.Is(err, errDamaged) {
			q.giveUp(seq, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("read block %d: %w", seq, err)
		}
		if err := visit(seq, block); err != nil {
			return err
		}
	}
	return nil
}
