package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// segment is one Badger store with a range of blocks: appended to while it is
// the newest, read only afterwards, and deleted as a whole. Blocks lie in its
// value log; the tree holds keys only, fits into one memory table and is never
// compacted, so that a block is written once and its space comes back at once.
//
// Badger opens only stores that this process has made: it shortens or deletes a
// store that it finds damaged. All other segments are read through an index of
// the blocks in their files; each block has its own checksum.
type segment struct {
	dir   string
	first uint64 // its first sequence, 0 until it has one; fixed once it is in store.list

	mu    sync.RWMutex
	db    *badger.DB // nil unless this process writes the segment
	logs  *logs      // the files being written, nil without db
	index *index     // nil unless the segment is read and has no db
	gone  bool       // deleted: never opened again

	mapped atomic.Int64 // bytes read since the last trim

	// Owned by the committer while the segment is the newest.
	bytes  int64
	blocks int
}

const (
	// keyTableBytes holds the keys of maxSegmentBlocks blocks and marks.
	keyTableBytes    = 4 << 20
	maxSegmentBlocks = 12_000
	// valueThreshold keeps small values, the marks, in the tree.
	valueThreshold = 128
	firstFile      = "first"

	// A small queue gives space back in small steps; a large segment would be
	// mapped in memory.
	minSegmentBytes = 1 << 20
	maxSegmentBytes = 32 << 20

	// trimBytes of a segment may be mapped.
	trimBytes = 8 << 20
)

// badgerOptions are measured, not guessed: the memory table bounds the memory,
// nothing is cached, compressed or compacted, and neither the value log nor the
// memory table is ever full before the segment is.
func (st *store) badgerOptions(s *segment) badger.Options {
	o := badger.DefaultOptions(s.dir).
		WithSyncWrites(false). // update does
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithMemTableSize(keyTableBytes).
		WithNumMemtables(2).
		WithNumCompactors(0).
		WithNumLevelZeroTables(100).
		WithNumLevelZeroTablesStall(200).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(max(st.segmentBytes, 1<<20) + 2*maxBlockBytes).
		WithVerifyValueChecksum(true).
		WithLogger(badgerLog{st.log})
	return o
}

// openLocked makes the store of a new segment. The caller holds s.mu.
func (s *segment) openLocked(st *store) (err error) {
	// Badger asserts on states that it cannot explain, and writes through
	// memory maps, which faults on a disk that is full.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("make segment %s: %v", s.dir, r)
		}
	}()
	db, err := badger.Open(st.badgerOptions(s))
	if err != nil {
		return fmt.Errorf("make segment %s: %w", s.dir, err)
	}
	s.db = db
	return nil
}

// close closes the store. The data written becomes a table of keys and a value
// log without spare room.
func (s *segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeLocked()
}

func (s *segment) closeLocked() error {
	if s.index != nil {
		closing := s.index.close()
		s.index = nil
		return closing
	}
	if s.db == nil {
		return nil
	}
	db, written := s.db, s.logs
	s.db, s.logs = nil, nil
	if err := errors.Join(written.close(), db.Close()); err != nil {
		return fmt.Errorf("close segment %s: %w", s.dir, err)
	}
	return nil
}

// leave lets go of the segment as a killed process would: all that was
// acknowledged lies in its files, and an index finds it there.
func (s *segment) leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return s.closeLocked()
	}
	closing := s.logs.close()
	s.db, s.logs = nil, nil
	return closing
}

// get returns a copy of a block. An error that is not errDamaged says that the
// block could not be asked for.
func (s *segment) get(st *store, epoch, seq uint64) ([]byte, error) {
	for {
		s.mu.RLock()
		if s.db != nil {
			defer s.mu.RUnlock()
			return s.getWritten(st, epoch, seq)
		}
		if s.index != nil {
			defer s.mu.RUnlock()
			return s.index.read(seq)
		}
		s.mu.RUnlock()
		if err := st.openToRead(s, epoch); err != nil {
			return nil, err
		}
	}
}

// getWritten asks Badger, and looks into its files itself for what Badger does not
// find. The caller holds the segment's lock.
func (s *segment) getWritten(st *store, epoch, seq uint64) ([]byte, error) {
	block, err := fromBadger(s.db, blockKey(epoch, seq))
	s.touched(st, len(block))
	if err == nil {
		if _, err = protocol.ParseBlock(block); err == nil {
			return block, nil
		}
	}
	st.log.Warn("buffer looks for a block in the files of its segment", "segment", s.dir, "seq", seq, "error", err)
	ix, err := indexBlocks(s.dir, epoch)
	if err != nil {
		return nil, err
	}
	block, err = ix.read(seq)
	return block, errors.Join(err, ix.close())
}

func fromBadger(db *badger.DB, key []byte) (value []byte, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a value log that was shortened
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read value log: %v", r)
		}
	}()
	err = db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		return err
	})
	return value, err
}

// look runs f with the index of the blocks in the segment. For one that is being
// written the index is made for this once.
func (s *segment) look(st *store, epoch uint64, f func(ix *index)) error {
	for {
		s.mu.RLock()
		if s.index != nil {
			defer s.mu.RUnlock()
			f(s.index)
			return nil
		}
		written := s.db != nil
		s.mu.RUnlock()
		if written {
			ix, err := indexBlocks(s.dir, epoch)
			if err == nil {
				f(ix)
				err = ix.close()
			}
			return err
		}
		if err := st.openToRead(s, epoch); err != nil {
			return err
		}
	}
}

// update runs f, which writes a block of so many bytes, in a transaction, and
// returns after its fsync.
func (s *segment) update(bytes int, f func(txn *badger.Txn) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil || s.logs == nil {
		return errSealed
	}
	if err := s.db.Update(f); err != nil {
		return err
	}
	return s.logs.sync(bytes)
}

// part is how full the segment is, in hundredths.
func (s *segment) part(limit int64) int64 {
	return max(100*s.bytes/limit, int64(100*s.blocks/maxSegmentBlocks))
}

// errSealed says that a segment takes nothing any more.
var errSealed = errors.New("segment is sealed")

// finish marks the segment as wholly made. One without the mark has never held
// anything, as far as it can be trusted: see store.survey.
func (s *segment) finish() error {
	return writeFileSync(filepath.Join(s.dir, firstFile), fmt.Appendf(nil, "%-*s\n", firstBytes-1, "made"))
}

// firstBytes is room for any sequence and its checksum.
const firstBytes = 32

// noteFirst writes down where the segment begins, so that the next start need
// not read it to know. Losing that is no harm. It writes over what finish wrote,
// so that a disk that is full cannot keep it from it.
func (s *segment) noteFirst() error {
	f, err := os.OpenFile(filepath.Join(s.dir, firstFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%-*s\n", firstBytes-1, fmt.Sprintf("%d %08x", s.first, epochSum(s.first))), 0)
	return errors.Join(err, f.Close())
}

func (s *segment) readFirst() (uint64, bool) {
	raw, err := os.ReadFile(filepath.Join(s.dir, firstFile))
	if err != nil {
		return 0, false
	}
	var first uint64
	var sum uint32
	if _, err := fmt.Sscanf(strings.TrimSpace(string(raw)), "%d %08x", &first, &sum); err != nil || sum != epochSum(first) || first == 0 {
		return 0, false
	}
	return first, true
}

// remove deletes the segment. It is renamed first, so that half a segment is
// never taken for a whole one. A segment that has lost a block is set aside
// instead: only an operator deletes the possible last trace of an event.
func (s *segment) remove(st *store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	closing := s.closeLocked() // its outcome no longer matters, but a failing disk is told
	if _, damaged := readDamage(s.dir); damaged {
		return errors.Join(closing, st.setAside(s.dir))
	}
	dead := filepath.Join(filepath.Dir(s.dir), deadPrefix+filepath.Base(s.dir))
	if err := os.Rename(s.dir, dead); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete segment: %w", err)
	}
	if err := os.RemoveAll(dead); err != nil {
		return fmt.Errorf("delete segment: %w", err)
	}
	return closing
}

// touched gives back the memory in which the value log is mapped once so many
// bytes have been read: it would count as resident for as long as the segment is
// open. The caller holds the segment's lock, which keeps the mapping
// where it is.
func (s *segment) touched(st *store, bytes int) {
	if s.mapped.Add(int64(bytes)) < trimBytes {
		return
	}
	s.mapped.Store(0)
	paths, _ := filepath.Glob(filepath.Join(s.dir, "*.vlog"))
	for _, path := range paths {
		m, err := mapped(path)
		if err != nil {
			st.log.Debug("buffer memory is not trimmed", "error", err)
			continue
		}
		m.release(0, math.MaxInt64)
	}
}

// size is the space that the segment occupies on disk.
func (s *segment) size() int64 { return sizeOf(s.dir) }

// sizeOf is the space that the files in a directory occupy on disk.
func sizeOf(dir string) (total int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			total += allocated(info)
		}
	}
	return total
}

const (
	segmentsDir = "segments"
	deadPrefix  = "deleted-"
)

func segmentPath(dir string, number int) string {
	return filepath.Join(dir, segmentsDir, fmt.Sprintf("%08d", number))
}

// segmentNumber reads the number in a segment's name.
func segmentNumber(name string) (int, bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n > 0
}
