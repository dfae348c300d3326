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
	reclaimRest = 10 * time.Minute
	fillerBytes = 512 << 10
	// flushTimeout is longer than the disk needs for a few memory tables.
	flushTimeout = 20 * time.Second
)

// reclaimer gives the space of deleted blocks back when Badger does not: it
// compacts only because of new writes, so a queue that is full, and then is
// drained, would stay full for ever. Owned by sweep.
type reclaimer struct {
	notBefore time.Time
}

// run compacts if more than half of what is on disk is garbage.
func (r *reclaimer) run(q *Queue) {
	now := time.Now()
	if now.Before(r.notBefore) {
		return
	}
	q.mu.Lock()
	wanted := q.state.liveBytes + q.state.kept.sum().bytes
	q.mu.Unlock()
	before := diskUsed(q.opts.Dir)
	worth := 2*wanted + q.opts.reclaimSlack
	if q.diskShort() {
		worth = wanted + wanted/4 + q.opts.reclaimSlack
	}
	if before < worth {
		return
	}
	err := q.compact()
	if errors.Is(err, ErrClosed) {
		return
	}
	if err != nil {
		q.log.Error("buffer space is not reclaimed", "error", err)
		r.notBefore = now.Add(reclaimRest)
		return
	}
	after := diskUsed(q.opts.Dir)
	if after > before-before/4 {
		r.notBefore = now.Add(reclaimRest)
	}
	q.log.Info("buffer space reclaimed", "before_bytes", before, "after_bytes", after, "wanted_bytes", wanted)
}

// compact makes Badger merge everything into one level, which drops what is
// deleted. The newest deletions are in memory still: filling the rest of the
// memory table sends them to disk first.
func (q *Queue) compact() error {
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
