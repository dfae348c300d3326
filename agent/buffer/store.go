package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

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
	full   []*segment // those before it, until they are handed to sealSegments

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

// make makes an empty segment on disk, with all the space that it will need: what
// others write to the disk can then not make Badger fail, who would not survive
// that.
func (st *store) make() (*segment, error) {
	st.mu.Lock()
	st.number++
	s := &segment{dir: segmentPath(st.dir, st.number)}
	st.mu.Unlock()
	if err := hasRoom(filepath.Dir(s.dir), st.roomFor()); err != nil {
		return nil, fmt.Errorf("make segment: %w", err)
	}
	s.mu.Lock()
	err := s.openLocked(st)
	if err == nil {
		s.logs, err = openLogs(s.dir, st.log)
	}
	if err == nil {
		err = errors.Join(s.logs.reserve(st.valuesRoom(), keysRoom))
	}
	s.mu.Unlock()
	if err == nil {
		err = errors.Join(s.finish(), syncDir(filepath.Dir(s.dir)))
	}
	if err != nil {
		return nil, errors.Join(err, s.remove(st))
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
		st.log.Warn("buffer segment does not say where it begins", "segment", next.segment.dir, "error", err)
	}
	st.mu.Lock()
	st.list = append(st.list, next.segment)
	st.mu.Unlock()
	st.handOver()
	st.newest = next.segment
	if s != nil {
		st.full = append(st.full, s)
	}
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

// handOver has the full segments closed. Where that waits for space on the disk,
// so do they, and no commit.
func (st *store) handOver() {
	for len(st.full) > 0 {
		select {
		case st.rolled <- st.full[0]:
			st.full = st.full[1:]
		default:
			return
		}
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
				err = s.remove(st)
			}
			if err != nil {
				q.log.Warn("buffer has left an empty segment", "error", err)
			}
			return
		}
	}
}

// sealSegments closes segments that take no more. The last one stays open for
// the reader, who as a rule is just behind the writer. To close one takes a little
// space; without any they stay as they are, and are tried again.
func (q *Queue) sealSegments() {
	var previous *segment
	for s := range q.store.rolled {
		for previous != nil {
			err := q.store.seal(previous)
			if errors.Is(err, unix.ENOSPC) {
				if !q.waitToRetry() {
					return // closing; Close deals with those that are open
				}
				continue
			}
			if err != nil {
				_ = q.fail(err)
			}
			break
		}
		previous = s
	}
}

// waitToRetry says whether the queue is open still after a pause.
func (q *Queue) waitToRetry() bool {
	select {
	case <-time.After(prepareRetry):
		return true
	case <-q.closing:
		return false
	}
}

func (st *store) seal(s *segment) error {
	if err := hasRoom(filepath.Dir(s.dir), sealRoom); err != nil {
		return err
	}
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

// openToRead makes the index of a segment that is not written and drops that of
// the one that was not read for the longest time.
func (st *store) openToRead(s *segment, epoch uint64) error {
	st.reading.Lock()
	defer st.reading.Unlock()
	if err := s.openIndex(epoch); err != nil {
		return err
	}
	st.readers = append(slices.DeleteFunc(st.readers, func(r *segment) bool { return r == s }), s)
	if len(st.readers) > maxReaders {
		victim := st.readers[0]
		st.readers = slices.Delete(st.readers, 0, 1)
		return victim.closeIndex()
	}
	return nil
}

// openIndex makes the index unless there is one, or the segment is written.
func (s *segment) openIndex(epoch uint64) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return ErrClosed
	}
	if s.db == nil && s.index == nil {
		s.index, err = indexBlocks(s.dir, epoch)
		if err != nil {
			s.index = nil
		}
	}
	return err
}

func (s *segment) closeIndex() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	closing := s.index.close()
	s.index = nil
	return closing
}

// removeBelow deletes the segments whose blocks all lie below floor.
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
		errs = append(errs, s.remove(st))
	}
	return errors.Join(errs...)
}

// close closes all segments. On a disk that has failed or is full the newest are
// left as a killed process leaves them: Badger would try to write their keys for
// ever, or crash.
func (st *store) close(failed bool) error {
	st.mu.Lock()
	list := slices.Clone(st.list)
	st.mu.Unlock()
	var errs []error
	for _, s := range list {
		if failed || hasRoom(filepath.Dir(s.dir), sealRoom) != nil {
			errs = append(errs, s.leave())
		} else {
			errs = append(errs, s.close())
		}
		s.mu.Lock()
		s.gone = true // nobody opens it again
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
