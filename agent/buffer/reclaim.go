package buffer

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	// reclaimSlack is how much garbage is left to Badger's own pace.
	reclaimSlack = 64 << 20
	// reclaimRest is the pause after a reclaim that won little.
	reclaimRest   = 10 * time.Minute
	reclaimPasses = 4
	fillerBytes   = 512 << 10
	// flushTimeout is longer than the disk needs for a few memory tables.
	flushTimeout = 20 * time.Second
)

// reclaimer gives the space of deleted blocks back when Badger does not: it
// compacts only because of new writes, so a queue that is full, and then is
// drained, would stay full for ever. Owned by sweep.
type reclaimer struct {
	notBefore time.Time
}

// run compacts if more than half of what is on disk is garbage, or a fifth if
// the disk is short. It takes more than one pass when Badger brings back what
// was deleted.
func (r *reclaimer) run(q *Queue) {
	if time.Now().Before(r.notBefore) {
		return
	}
	before := diskUsed(q.opts.Dir)
	after := before
	for range reclaimPasses {
		if after < q.worthReclaiming() {
			break
		}
		err := q.compact()
		if errors.Is(err, ErrClosed) {
			return
		}
		if err != nil {
			q.log.Error("buffer space is not reclaimed", "error", err)
			r.notBefore = time.Now().Add(reclaimRest)
			return
		}
		after = diskUsed(q.opts.Dir)
	}
	if after == before {
		return
	}
	if after > before-before/4 {
		r.notBefore = time.Now().Add(reclaimRest)
	}
	q.log.Info("buffer space reclaimed", "before_bytes", before, "after_bytes", after)
}

// worthReclaiming is how much must be on disk for a compaction to pay.
func (q *Queue) worthReclaiming() int64 {
	q.mu.Lock()
	wanted := q.state.liveBytes + q.state.kept.sum().bytes
	q.mu.Unlock()
	if q.diskShort() {
		return wanted + wanted/4 + q.opts.reclaimSlack
	}
	return 2*wanted + q.opts.reclaimSlack
}

// compact makes Badger merge everything into one level, which drops what is
// deleted. The newest deletions are in memory still: filling the rest of the
// memory table sends them to disk first.
func (q *Queue) compact() error {
	if err := q.deleteOrphans(); err != nil {
		return fmt.Errorf("delete again: %w", err)
	}
	filler := make([]byte, fillerBytes)
	for range memTableBytes/fillerBytes + 2 {
		if err := q.set(fillerKey(), filler); err != nil {
			return err
		}
	}
	if err := q.set(fillerKey(), nil); err != nil {
		return err
	}
	if err := q.waitFlushed(); err != nil {
		return err
	}
	if err := q.db.Flatten(1); err != nil {
		return fmt.Errorf("flatten: %w", err)
	}
	return nil
}

// deleteOrphans deletes once more what lies below the floor. A merge of the
// first level can pass by an upper one: it then drops the deletions before they
// have met the blocks, which come to light again.
func (q *Queue) deleteOrphans() error {
	q.mu.Lock()
	floor := q.state.mark.floor
	q.mu.Unlock()
	for {
		orphans := q.keysBelow(floor, q.opts.deleteRange)
		if len(orphans) == 0 {
			return nil
		}
		err := q.db.Update(func(txn *badger.Txn) error {
			for _, seq := range orphans {
				if err := txn.Delete(blockKey(q.epoch, seq)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		select {
		case <-q.closing:
			return ErrClosed
		default:
		}
	}
}

// keysBelow lists at most limit blocks below the floor that can still be read.
func (q *Queue) keysBelow(floor uint64, limit int) (seqs []uint64) {
	_ = q.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: blockKey(q.epoch, 0)[:9]})
		defer it.Close()
		for it.Seek(blockKey(q.epoch, 0)); it.Valid() && len(seqs) < limit; it.Next() {
			seq := seqOf(it.Item().Key())
			if seq >= floor {
				break
			}
			seqs = append(seqs, seq)
		}
		return nil
	})
	return seqs
}

// waitFlushed waits until the full memory tables are tables on disk: only the
// one being written to has a log then.
func (q *Queue) waitFlushed() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(flushTimeout)
	for {
		logs, err := filepath.Glob(filepath.Join(q.opts.Dir, "badger", "*.mem"))
		if err != nil || len(logs) <= 1 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d memory tables are not flushed after %s", len(logs)-1, flushTimeout)
		}
		select {
		case <-tick.C:
		case <-q.closing:
			return ErrClosed
		}
	}
}

func (q *Queue) set(key, value []byte) error {
	return q.db.Update(func(txn *badger.Txn) error { return txn.Set(key, value) })
}
