package buffer

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// sweep does off the hot path what is not urgent: it makes the low-water mark
// durable, deletes what the retention tail has outgrown, and lets Badger
// collect its garbage.
func (q *Queue) sweep() {
	tick := time.NewTicker(q.opts.sweepEvery)
	defer tick.Stop()
	garbage := time.NewTicker(q.opts.collectGarbage)
	defer garbage.Stop()
	space := time.NewTicker(q.opts.reclaimEvery)
	defer space.Stop()
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	dir := realPath(q.opts.Dir)
	var saved mark
	var reclaim reclaimer
	for {
		select {
		case <-q.closing:
			return
		case <-garbage.C:
			q.collectGarbage()
		case <-trim.C:
			if diskUsed(q.opts.Dir) < trimAbove {
				continue
			}
			if err := trimMapped(dir); err != nil {
				q.log.Debug("buffer memory is not trimmed", "error", err)
			}
		case <-space.C:
			if q.Healthy() == nil {
				reclaim.run(q)
			}
		case <-tick.C:
			if q.Healthy() != nil {
				continue
			}
			m, err := q.sweepOnce(saved)
			if err != nil {
				_ = q.fail(err)
				continue
			}
			saved = m
		}
	}
}

// A store larger than trimAbove is not left mapped in memory for longer than
// trimEvery.
const (
	trimEvery = 2 * time.Second
	trimAbove = 64 << 20
)

// realPath is how the kernel names a directory.
func realPath(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return dir
}

// sweepOnce persists the mark if it has moved and deletes expired blocks.
func (q *Queue) sweepOnce(saved mark) (mark, error) {
	limits := q.opts
	if q.diskShort() { // new events are worth more than the chance of a replay
		limits.RetentionBytes = 0
	}
	q.mu.Lock()
	s := &q.state
	gone := s.kept.expire(q.opts.Now().UnixMilli(), &limits)
	if n := len(gone); n > 0 {
		s.mark.floor = max(s.mark.floor, gone[n-1].last+1)
	}
	m, kept := s.mark, s.kept.clone()
	q.mu.Unlock()
	if m.low != saved.low || len(gone) > 0 {
		if err := q.persist(m, kept); err != nil {
			return saved, err
		}
	} else if m.tail != saved.tail {
		if err := q.marker.sync(); err != nil {
			return saved, err
		}
	}
	for _, b := range gone {
		if err := q.deleteRange(b.first, b.last); err != nil {
			return saved, err
		}
	}
	return m, nil
}

// persist writes the mark and the retention tail to both places. A mark that
// is older than the truth is harmless: blocks are sent again.
func (q *Queue) persist(m mark, kept retention) error {
	q.marker.note(m)
	if err := q.marker.sync(); err != nil {
		return err
	}
	return q.db.Update(func(txn *badger.Txn) error {
		return txn.Set(keptKey(), kept.encode())
	})
}

// deleteRange deletes blocks in steps, so that no single write of the deleter
// keeps a commit waiting for long.
func (q *Queue) deleteRange(first, last uint64) error {
	for first <= last {
		end := min(last, first+uint64(q.opts.deleteRange)-1)
		err := q.db.Update(func(txn *badger.Txn) error {
			for seq := first; seq <= end; seq++ {
				if err := txn.Delete(blockKey(q.epoch, seq)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		first = end + 1
	}
	return nil
}

// collectGarbage gives the space of deleted values back, file by file.
func (q *Queue) collectGarbage() {
	for {
		select {
		case <-q.closing:
			return
		default:
		}
		err := q.db.RunValueLogGC(0.5)
		if errors.Is(err, badger.ErrNoRewrite) || errors.Is(err, badger.ErrRejected) {
			return
		}
		if err != nil {
			q.log.Error("buffer garbage collection failed", "error", err)
			return
		}
	}
}
