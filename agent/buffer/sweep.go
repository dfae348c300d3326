package buffer

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// sweep does work that is not urgent off the hot path: it makes the low-water
// mark durable and deletes the blocks that have left the retention tail.
func (q *Queue) sweep() {
	tick := time.NewTicker(q.opts.sweepEvery)
	defer tick.Stop()
	var saved saved
	for {
		select {
		case <-q.closing:
			return
		case <-tick.C:
			if q.Healthy() != nil {
				continue
			}
			var err error
			switch saved, err = q.sweepOnce(saved); {
			case errors.Is(err, unix.ENOSPC):
				q.log.Warn("buffer sweeps later", "error", err)
			case err != nil:
				_ = q.fail(err)
			}
		}
	}
}

// saved is the state that the last sweep has persisted.
type saved struct {
	mark mark
	kept time.Time // when the retention tail was
}

// keptEvery is how often the retention tail is persisted. A tail that is older
// than the truth makes blocks go early, by as much.
const keptEvery = 10 * time.Second

// sweepOnce persists the mark if it has moved and deletes expired blocks.
func (q *Queue) sweepOnce(last saved) (saved, error) {
	limits := q.opts
	if q.diskShort() { // new events are worth more than the chance of a replay
		limits.RetentionBytes = 0
	}
	now := q.opts.Now()
	q.mu.Lock()
	s := &q.state
	gone := s.kept.expire(now.UnixMilli(), &limits)
	if n := len(gone); n > 0 {
		s.mark.floor = max(s.mark.floor, gone[n-1].last+1)
		s.dropped.add(gone)
	}
	m, kept := s.mark, s.kept.clone()
	deleted := dropped{buckets: slices.Clone(s.dropped.buckets), cut: s.dropped.cut}
	q.mu.Unlock()
	if len(gone) > 0 {
		if err := deleted.write(q.opts.Dir); err != nil {
			return last, err
		}
	}
	switch {
	case len(gone) > 0, m.low != last.mark.low && now.Sub(last.kept).Abs() >= keptEvery:
		if err := q.persist(m, kept); err != nil {
			return last, err
		}
		last.kept = now
	case m != last.mark:
		q.marker.note(m)
		if err := q.marker.sync(); err != nil {
			return last, err
		}
	}
	last.mark = m
	return last, q.store.removeBelow(m.floor)
}

// persist writes the mark and the retention tail. A mark that is older than
// the truth is harmless: blocks are sent again.
func (q *Queue) persist(m mark, kept retention) error {
	q.persisting.Lock()
	defer q.persisting.Unlock()
	q.marker.note(m)
	if err := q.marker.sync(); err != nil {
		return err
	}
	return kept.write(q.opts.Dir)
}
