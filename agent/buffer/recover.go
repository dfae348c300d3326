package buffer

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// span is a range of sequences, both ends included.
type span struct{ first, last uint64 }

func (s span) len() uint64 { return s.last - s.first + 1 }

// recover finds out where the queue stood when it was last closed or killed,
// and reads every block that has not been acknowledged. What is missing or
// damaged is counted, named in the log and skipped from then on.
func (q *Queue) recover() error {
	marker, noted, err := openMarker(q.opts.Dir)
	if err != nil {
		return err
	}
	q.marker = marker
	if err := q.recoverEpoch(); err != nil {
		return err
	}
	inBadger, err := q.readMark()
	if err != nil {
		return err
	}
	m := noted.merge(inBadger)
	m.floor = max(m.floor, 1)
	if m, err = q.extendTail(m); err != nil {
		return err
	}
	if err := q.store.removeBelow(m.floor); err != nil {
		return err
	}
	q.state.mark = m
	q.state.kept = readRetention(q.opts.Dir)
	q.state.kept.limit(m)
	bad, err := q.verify(m.low+1, m.tail)
	if err != nil {
		return err
	}
	for _, h := range bad {
		q.lost(h, "missing or damaged at start")
	}
	q.advanceLocked()
	return q.persist(q.state.mark, q.state.kept)
}

// recoverEpoch reads the epoch from its file, else from the blocks, else mints
// one.
func (q *Queue) recoverEpoch() error {
	inFile, fileErr := readEpoch(q.opts.Dir)
	inKeys, err := q.epochInKeys()
	if err != nil {
		return err
	}
	switch {
	case inFile != 0 && inKeys != 0 && inFile != inKeys:
		return fmt.Errorf("the directory says epoch %016x, its blocks %016x: it was put together from two; use an empty one", inFile, inKeys)
	case inFile != 0:
		q.epoch = inFile
		return nil
	case inKeys != 0:
		q.log.Warn("buffer epoch file restored from the blocks", "epoch", inKeys, "error", fileErr)
		q.epoch = inKeys
	case fileErr != nil:
		return fmt.Errorf("%w and no block is left to restore it from; use an empty directory", fileErr)
	default:
		q.epoch = mintEpoch()
	}
	return writeEpoch(q.opts.Dir, q.epoch)
}

// last returns the segment written last.
func (st *store) last() (*segment, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.list) == 0 {
		return nil, false
	}
	return st.list[len(st.list)-1], true
}

func (q *Queue) epochInKeys() (epoch uint64, err error) {
	s, ok := q.store.last()
	if !ok {
		return 0, nil
	}
	err = s.view(&q.store, func(db *badger.DB) error {
		return db.View(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{blockPrefix}})
			defer it.Close()
			for it.Rewind(); it.Valid(); it.Next() {
				if key := it.Item().Key(); len(key) == blockKeyLen {
					epoch = epochOf(key)
					return nil
				}
			}
			return nil
		})
	})
	return epoch, err
}

// readMark reads the mark that was stored with the newest block. One that is
// missing or damaged counts as nothing: the marker file and the blocks say the
// rest.
func (q *Queue) readMark() (m mark, err error) {
	s, ok := q.store.last()
	if !ok {
		return m, nil
	}
	err = s.view(&q.store, func(db *badger.DB) error {
		return db.View(func(txn *badger.Txn) error {
			item, err := txn.Get(markKey())
			if errors.Is(err, badger.ErrKeyNotFound) {
				return nil
			}
			if err == nil {
				err = item.Value(func(v []byte) error { m, _ = decodeMark(v); return nil })
			}
			if err != nil {
				q.log.Error("buffer mark is damaged", "error", err)
			}
			return nil
		})
	})
	return m, err
}

// extendTail looks for blocks beyond the tail that the mark knows: both copies
// of the mark may have been lost.
func (q *Queue) extendTail(m mark) (mark, error) {
	s, ok := q.store.last()
	if !ok {
		return m, nil
	}
	var last uint64
	err := s.view(&q.store, func(db *badger.DB) error {
		return db.View(func(txn *badger.Txn) error {
			last = edgeOf(txn, true)
			return nil
		})
	})
	if err != nil || last <= m.tail {
		return m, err
	}
	q.log.Warn("buffer marks are older than the blocks", "mark", m.tail, "last_block", last)
	for seq := max(m.tail+1, m.floor); seq <= last; seq++ {
		if block, _, err := q.read(seq); err == nil {
			m.chain = nextChain(m.chain, seq, block)
		}
	}
	m.tail = last
	return m, nil
}

// verify checks all blocks from first to last, adds up the good ones, and
// returns what is not good.
func (q *Queue) verify(first, last uint64) ([]span, error) {
	var bad []span
	expect := first
	err := q.scan(first, last, func(seq uint64, b *protocol.Block, length int) {
		if seq > expect {
			bad = append(bad, q.verifyEach(expect, seq-1)...)
		}
		if b == nil {
			bad = append(bad, q.verifyEach(seq, seq)...)
		} else {
			q.countLive(length, b.Count)
		}
		expect = seq + 1
	})
	if err == nil && expect <= last {
		bad = append(bad, q.verifyEach(expect, last)...)
	}
	return joinSpans(bad), err
}

// verifyEach asks for blocks one by one: an iterator ends at the first damaged
// table, although blocks behind it may be well.
func (q *Queue) verifyEach(first, last uint64) []span {
	var bad []span
	for seq := first; seq <= last; seq++ {
		block, b, err := q.read(seq)
		if err != nil {
			q.log.Debug("buffer block is not readable", "seq", seq, "error", err)
			bad = append(bad, span{seq, seq})
			if len(bad) > 1024 {
				bad = joinSpans(bad)
			}
			continue
		}
		q.countLive(len(block), b.Count)
	}
	return bad
}

func (q *Queue) countLive(length, events int) {
	q.state.liveBlocks++
	q.state.liveBytes += int64(length)
	q.state.liveEvents += int64(events)
}

// scan visits the blocks in order. visit gets nil for a damaged one.
func (q *Queue) scan(first, last uint64, visit func(seq uint64, b *protocol.Block, length int)) error {
	for first <= last {
		s, ok := q.store.find(first)
		if !ok { // the first segment is missing
			next, ok := q.store.after(first)
			if !ok {
				return nil
			}
			first = next
			continue
		}
		until := last
		if next, ok := q.store.after(first); ok {
			until = min(until, next-1)
		}
		if err := s.view(&q.store, func(db *badger.DB) error {
			q.scanSegment(db, first, until, func(seq uint64, b *protocol.Block, length int) {
				s.touched(&q.store, length)
				visit(seq, b, length)
			})
			return nil
		}); err != nil {
			return err
		}
		first = until + 1
	}
	return nil
}

func (q *Queue) scanSegment(db *badger.DB, first, last uint64, visit func(seq uint64, b *protocol.Block, length int)) {
	defer func() {
		if r := recover(); r != nil { // verify asks for the rest one by one
			q.log.Error("buffer scan stopped", "cause", fmt.Sprint(r))
		}
	}()
	_ = db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: blockKey(q.epoch, 0)[:9]})
		defer it.Close()
		for it.Seek(blockKey(q.epoch, first)); it.Valid(); it.Next() {
			item := it.Item()
			seq := seqOf(item.Key())
			if seq > last {
				break
			}
			var b *protocol.Block
			length := 0
			_ = item.Value(func(value []byte) error {
				if block, err := q.check(seq, value); err == nil {
					b, length = &block, len(value)
				}
				return nil
			})
			visit(seq, b, length)
		}
		return nil
	})
}

// after returns where the first segment behind a sequence begins.
func (st *store) after(seq uint64) (first uint64, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, s := range st.list {
		if s.first > seq {
			return s.first, true
		}
	}
	return 0, false
}

// joinSpans merges ranges that touch; they come in order.
func joinSpans(spans []span) []span {
	var joined []span
	for _, s := range spans {
		if n := len(joined); n > 0 && joined[n-1].last+1 >= s.first {
			joined[n-1].last = max(joined[n-1].last, s.last)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// lost makes a hole of blocks that cannot be had any more: counted, named,
// and no obstacle to the blocks behind it. The caller holds q.mu, or is Open.
func (q *Queue) lost(h span, why string) {
	q.state.holes = append(q.state.holes, h)
	q.metrics.lost.Add(float64(h.len()))
	q.state.lostBlocks += int64(h.len())
	q.log.Error("buffer lost blocks", "epoch", fmt.Sprintf("%016x", q.epoch), "first", h.first, "last", h.last, "blocks", h.len(), "why", why)
}
