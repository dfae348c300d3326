package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// segment is one Badger store with a range of blocks: appended to while it is
// the newest, read only afterwards, and deleted as a whole. Blocks lie in its
// value log; the tree holds keys only, fits into one memory table and is never
// compacted, so that a block is written once and its space comes back at once.
type segment struct {
	dir   string
	first uint64 // its first sequence, 0 until it has one; fixed once it is in store.list

	mu       sync.RWMutex
	db       *badger.DB // nil while the segment is closed
	logs     *logs      // what is written, nil if the segment is read only
	readOnly bool
	gone     bool // deleted: never opened again

	mapped atomic.Int64 // bytes read since the last trim

	// Owned by the committer while the segment is the newest.
	bytes  int64
	blocks int
}

const (
	// keyTableBytes holds the keys of maxSegmentBlocks blocks and marks.
	keyTableBytes    = 4 << 20
	maxSegmentBlocks = 12_000
	// valueThreshold keeps what is small, the marks, in the tree.
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
		WithMemTableSize(s.tableBytes()).
		WithNumMemtables(2).
		WithNumCompactors(0).
		WithNumLevelZeroTables(100).
		WithNumLevelZeroTablesStall(200).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(max(st.segmentBytes, 1<<20) + 2*maxBlockBytes).
		WithVerifyValueChecksum(true).
		WithChecksumVerificationMode(options.OnBlockRead). // mendTables has read whole tables
		WithReadOnly(s.readOnly).
		WithLogger(badgerLog{st.log})
	return o
}

// tableBytes is how large the memory table must be: the segment that was an
// earlier version's whole store may have left a larger one.
func (s *segment) tableBytes() int64 {
	size := int64(keyTableBytes)
	logs, _ := filepath.Glob(filepath.Join(s.dir, "*.mem"))
	for _, path := range logs {
		if info, err := os.Stat(path); err == nil {
			size = max(size, min(info.Size()/2, 64<<20))
		}
	}
	return size
}

// rebuildHint is how to go on when Badger's own bookkeeping is damaged.
const rebuildHint = "stop the agent and run `agent buffer rebuild`: it saves the blocks that can be read, and the next start reports the others as lost"

// openLocked opens the store of the segment. The caller holds s.mu.
func (s *segment) openLocked(st *store, readOnly bool) (err error) {
	if s.db != nil {
		return nil
	}
	// Badger asserts where it finds what it cannot explain. To the operator a
	// damaged directory is an error, not a stack trace.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("open segment %s: its files are damaged: %v; %s", s.dir, r, rebuildHint)
		}
	}()
	if err := st.mendTables(s.dir); err != nil {
		return fmt.Errorf("check tables of segment %s: %w", s.dir, err)
	}
	s.readOnly = readOnly
	db, err := badger.Open(st.badgerOptions(s))
	if err != nil {
		return fmt.Errorf("open segment %s: %w; if its files are damaged, %s", s.dir, err, rebuildHint)
	}
	s.db = db
	return nil
}

// removeEmptyLogs removes logs of no length. Badger makes and deletes its logs
// in two steps, leaves such a file if it is killed between them, and then does
// not open.
func (s *segment) removeEmptyLogs() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if ending := filepath.Ext(e.Name()); ending != ".mem" && ending != ".vlog" {
			continue
		}
		info, err := e.Info()
		if err == nil && info.Size() == 0 {
			err = os.Remove(filepath.Join(s.dir, e.Name()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// close closes the store. What was written becomes a table of keys and a value
// log as long as it is full.
func (s *segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeLocked()
}

func (s *segment) closeLocked() error {
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

// view runs f with the segment's store, opening it for reading if need be.
func (s *segment) view(st *store, f func(db *badger.DB) error) error {
	for {
		s.mu.RLock()
		if s.db != nil {
			defer s.mu.RUnlock()
			return f(s.db)
		}
		s.mu.RUnlock()
		if err := st.openToRead(s); err != nil {
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

// crashed says whether the segment was not closed: a memory table has its log
// still. Opening it for writing once puts that right.
func (s *segment) crashed() bool {
	logs, err := filepath.Glob(filepath.Join(s.dir, "*.mem"))
	return err != nil || len(logs) > 0
}

// finish marks the segment as wholly made. One without the mark has never held
// anything.
func (s *segment) finish() error {
	return writeFileSync(filepath.Join(s.dir, firstFile), []byte("made\n"))
}

func (s *segment) finished() bool {
	_, err := os.Stat(filepath.Join(s.dir, firstFile))
	return err == nil
}

// noteFirst writes down where the segment begins, so that the next start need
// not open it to know. Losing that is no harm.
func (s *segment) noteFirst() error {
	return writeFile(filepath.Join(s.dir, firstFile), fmt.Appendf(nil, "%d %08x\n", s.first, epochSum(s.first)))
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
// never taken for a whole one.
func (s *segment) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	closing := s.closeLocked() // what it says no longer matters, but a failing disk is told
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

// size is what the segment occupies on disk.
func (s *segment) size() (total int64) {
	entries, _ := os.ReadDir(s.dir)
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
