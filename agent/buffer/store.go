package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxBlockBytes is the largest value of a segment.
const maxBlockBytes = protocol.BlockHeaderSize + protocol.MaxBlockPayload

// maxReaders is how many sealed segments stay open for reading.
const maxReaders = 2

// Badger's keys: 'b' epoch sequence for blocks, and the mark.
const (
	blockPrefix = 'b'
	blockKeyLen = 1 + 8 + 8
)

func blockKey(epoch, seq uint64) []byte {
	key := make([]byte, 0, blockKeyLen)
	key = append(key, blockPrefix)
	key = binary.BigEndian.AppendUint64(key, epoch)
	return binary.BigEndian.AppendUint64(key, seq)
}

func epochOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }
func seqOf(key []byte) uint64   { return binary.BigEndian.Uint64(key[9:]) }

func markKey() []byte { return []byte("m") }

// store is the chain of segments. Its lock is taken before a segment's.
//
//	deleted ◄─ sealed … sealed ◄─ previous ◄─ newest ◄─ spare
//	           (opened to read)   (open)      (open)    (open, empty)
type store struct {
	dir          string // the queue's
	log          *slog.Logger
	segmentBytes int64

	wanted chan struct{} // holds a token when the next spare is to be made
	spares chan spare    // filled by prepareSegments
	rolled chan *segment // emptied by sealSegments

	// Owned by the committer once the queue is open.
	newest *segment
	full   *segment // the one before it, until it is handed to sealSegments

	reading sync.Mutex // opening segments to read; taken before mu
	readers []*segment // the last one was used last

	mu     sync.Mutex
	list   []*segment // all that have blocks, in order
	number int        // of the last segment made
	sealed map[*segment]int64
}

// spare is an empty segment, or why there is none.
type spare struct {
	segment *segment
	err     error
}

// load finds the segments on disk and puts those right that were not closed.
func (st *store) load() error {
	dir := filepath.Join(st.dir, segmentsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := st.adopt(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir) // in order of their names, which is that of their numbers
	if err != nil {
		return err
	}
	for _, e := range entries {
		n, ok := segmentNumber(e.Name())
		if !ok {
			if len(e.Name()) > len(deadPrefix) && e.Name()[:len(deadPrefix)] == deadPrefix {
				_ = os.RemoveAll(filepath.Join(dir, e.Name())) // the rest of a deletion; next time otherwise
			}
			continue
		}
		st.number = max(st.number, n)
		s := &segment{dir: filepath.Join(dir, e.Name())}
		if err := st.mend(s); err != nil {
			return err
		}
		if s.first == 0 { // a spare, or one whose only commit was never finished
			if err := s.remove(); err != nil {
				return err
			}
			continue
		}
		if n := len(st.list); n > 0 && st.list[n-1].first >= s.first {
			return fmt.Errorf("segments %s and %s begin with blocks %d and %d: the directory was put together from two; use an empty one",
				st.list[n-1].dir, s.dir, st.list[n-1].first, s.first)
		}
		st.list = append(st.list, s)
		st.sealed[s] = s.size()
	}
	return syncDir(dir)
}

// adopt makes a segment of the single store that earlier versions had.
func (st *store) adopt() error {
	old := filepath.Join(st.dir, "badger")
	if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s := &segment{dir: segmentPath(st.dir, 1)}
	return errors.Join(os.Rename(old, s.dir), s.finish())
}

// mend closes a segment that a killed process had open, and finds out where it
// begins.
func (st *store) mend(s *segment) error {
	if !s.finished() {
		return nil
	}
	if err := s.removeEmptyLogs(); err != nil {
		return err
	}
	known := false
	if s.first, known = s.readFirst(); known && !s.crashed() {
		return nil
	}
	s.mu.Lock()
	err := s.openLocked(st, !s.crashed())
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.first = 0
	err = s.db.View(func(txn *badger.Txn) error {
		s.first = edgeOf(txn, false)
		return nil
	})
	if err = errors.Join(err, s.close()); err != nil || s.first == 0 {
		return err
	}
	return s.noteFirst()
}

// edgeOf returns the sequence of the first or the last block, 0 without any.
func edgeOf(txn *badger.Txn, last bool) uint64 {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{blockPrefix}, Reverse: last})
	defer it.Close()
	from := []byte{blockPrefix}
	if last {
		from = append(blockKey(math.MaxUint64, math.MaxUint64), 0xff)
	}
	for it.Seek(from); it.Valid(); it.Next() {
		if key := it.Item().Key(); len(key) == blockKeyLen {
			return seqOf(key)
		}
	}
	return 0
}

// make makes an empty segment on disk.
func (st *store) make() (*segment, error) {
	st.mu.Lock()
	st.number++
	s := &segment{dir: segmentPath(st.dir, st.number)}
	st.mu.Unlock()
	s.mu.Lock()
	err := s.openLocked(st, false)
	if err == nil {
		s.logs, err = openLogs(s.dir, st.log)
	}
	s.mu.Unlock()
	if err == nil {
		err = errors.Join(s.finish(), syncDir(filepath.Dir(s.dir)))
	}
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// segmentFor returns the segment that takes the next block, a new one if the
// newest is full. Only the committer calls it.
func (st *store) segmentFor(seq uint64, bytes int) (*segment, error) {
	s := st.newest
	if s != nil && s.blocks < maxSegmentBlocks && s.bytes+int64(bytes) <= st.segmentBytes {
		return s, nil
	}
	next, ok := st.nextSpare()
	if !ok || next.err != nil { // the queue is being closed, or this was some time ago
		next.segment, next.err = st.make()
	}
	if next.err != nil {
		return nil, fmt.Errorf("begin segment: %w", next.err)
	}
	next.segment.first = seq
	if err := next.segment.noteFirst(); err != nil {
		return nil, fmt.Errorf("begin segment: %w", err)
	}
	st.mu.Lock()
	st.list = append(st.list, next.segment)
	st.mu.Unlock()
	st.handOver()
	st.newest, st.full = next.segment, s
	return next.segment, nil
}

// nextSpare takes the spare, and waits for it if it was not wanted early enough.
func (st *store) nextSpare() (next spare, ok bool) {
	select {
	case next, ok = <-st.spares:
	default:
		st.want()
		next, ok = <-st.spares
	}
	return next, ok
}

// want has a spare made, if none is being made.
func (st *store) want() {
	select {
	case st.wanted <- struct{}{}:
	default:
	}
}

// handOver has the last full segment closed.
func (st *store) handOver() {
	if st.full != nil {
		st.rolled <- st.full
		st.full = nil
	}
}

// wrote counts a block of the newest segment. To make a segment and to close one
// takes a dozen fsyncs each, and whatever is committed meanwhile waits for them
// in the file system's journal. So neither is done when the first block of a
// segment needs the journal most, nor both at once. Only the committer calls it.
func (st *store) wrote(s *segment, bytes int) {
	before := s.part(st.segmentBytes)
	s.bytes += int64(bytes)
	s.blocks++
	after := s.part(st.segmentBytes)
	if before < closeAt && after >= closeAt {
		st.handOver()
	}
	if before < makeAt && after >= makeAt {
		st.want()
	}
}

// How full the newest segment is, in hundredths, when the one before it is closed
// and the next one is made.
const (
	closeAt = 25
	makeAt  = 60
)

// prepareRetry is the pause after a segment could not be made.
const prepareRetry = time.Second

// prepareSegments makes segments ahead, so that no commit waits for one to be
// made. If one cannot be made now, it is tried again: that fails the queue only
// once a commit needs the segment.
func (q *Queue) prepareSegments() {
	st := &q.store
	defer close(st.spares)
	for {
		select {
		case <-st.wanted:
		case <-q.closing:
			return
		}
		s, err := st.make()
		var again <-chan time.Time
		if err != nil {
			again = time.After(prepareRetry)
		}
		select {
		case st.spares <- spare{s, err}:
		case <-again:
			q.log.Warn("buffer cannot make its next segment", "error", err)
			st.want()
		case <-q.closing:
			if s != nil {
				err = s.remove()
			}
			if err != nil {
				q.log.Warn("buffer has left an empty segment", "error", err)
			}
			return
		}
	}
}

// sealSegments closes segments that take no more. The last one stays open for
// the reader, who as a rule is just behind the writer.
func (q *Queue) sealSegments() {
	var previous *segment
	for s := range q.store.rolled {
		if previous != nil {
			if err := q.store.seal(previous); err != nil {
				_ = q.fail(err)
			}
		}
		previous = s
	}
}

func (st *store) seal(s *segment) error {
	if err := s.close(); err != nil {
		return err
	}
	size := s.size()
	st.mu.Lock()
	defer st.mu.Unlock()
	if slices.Contains(st.list, s) {
		st.sealed[s] = size
	}
	return nil
}

// find returns the segment in which a block must lie.
func (st *store) find(seq uint64) (*segment, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	i, exact := slices.BinarySearchFunc(st.list, seq, func(s *segment, seq uint64) int {
		switch {
		case s.first < seq:
			return -1
		case s.first > seq:
			return 1
		}
		return 0
	})
	if !exact {
		i--
	}
	if i < 0 {
		return nil, false
	}
	return st.list[i], true
}

// openToRead opens a sealed segment and closes the one that was not read for
// the longest time.
func (st *store) openToRead(s *segment) error {
	st.reading.Lock()
	defer st.reading.Unlock()
	s.mu.Lock()
	err := ErrClosed
	if !s.gone {
		err = s.openLocked(st, true)
	}
	s.mu.Unlock()
	if err != nil || !s.readOnly {
		return err
	}
	st.readers = append(slices.DeleteFunc(st.readers, func(r *segment) bool { return r == s }), s)
	if len(st.readers) > maxReaders {
		victim := st.readers[0]
		st.readers = slices.Delete(st.readers, 0, 1)
		return victim.close()
	}
	return nil
}

// removeBelow deletes the segments of which every block lies below floor.
func (st *store) removeBelow(floor uint64) error {
	st.mu.Lock()
	n := 0
	for n+1 < len(st.list) && st.list[n+1].first <= floor {
		n++
	}
	dead := slices.Clone(st.list[:n])
	st.list = slices.Delete(st.list, 0, n)
	for _, s := range dead {
		delete(st.sealed, s)
	}
	st.mu.Unlock()
	if n == 0 {
		return nil
	}
	st.reading.Lock()
	st.readers = slices.DeleteFunc(st.readers, func(r *segment) bool { return slices.Contains(dead, r) })
	st.reading.Unlock()
	var errs []error
	for _, s := range dead {
		errs = append(errs, s.remove())
	}
	return errors.Join(errs...)
}

// close closes all segments. On a disk that has failed the newest are left as a
// killed process leaves them: Badger would try to write their keys for ever.
func (st *store) close(failed bool) error {
	st.mu.Lock()
	list := slices.Clone(st.list)
	st.mu.Unlock()
	var errs []error
	for _, s := range list {
		s.mu.Lock()
		s.gone = true // nobody opens it again
		if failed && s.logs != nil {
			errs = append(errs, s.logs.close())
			s.db, s.logs = nil, nil
		}
		errs = append(errs, s.closeLocked())
		s.mu.Unlock()
	}
	return errors.Join(errs...)
}

// used adds up the blocks of the disk that the segments occupy: Badger makes
// its files larger than they are full.
func (st *store) used() (total int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, s := range st.list {
		size, known := st.sealed[s]
		if !known {
			size = s.size()
		}
		total += size
	}
	return total
}
