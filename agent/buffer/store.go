package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// defaultValueThreshold keeps blocks inside Badger's tree.
const defaultValueThreshold = 1 << 20

const (
	// memTableBytes is small so that little is mapped. A transaction may hold
	// 15 % of it: a whole block.
	memTableBytes = 8 << 20
	// tableBlockBytes is what Badger reads and checks at once. Its table builder
	// reserves so much and, for a value that does not fit, three times the value
	// again: at Badger's own 4 KiB that is most of what an agent under load
	// allocates. A full block of ours has 100 to 250 KB.
	tableBlockBytes = 256 << 10

	minLevelZeroTables = 5
	maxLevelZeroTables = 12
)

// levelZeroTables is how many tables of the first level make Badger merge them,
// and at how many it holds back writes until that is done: with few, commits
// wait for merges and every byte is written five times over. A merge needs the
// room of what it merges a second time before anything is deleted, so that even
// the largest stays within half of what is kept free on the disk; and it has
// all of it mapped, which bounds the memory. A small reserve or quota gets
// Badger's own figures.
func (o *Options) levelZeroTables() (merge, stall int) {
	merge = int(min(min(o.MinFree/8, o.QuotaBytes/64)/memTableBytes, maxLevelZeroTables))
	if merge <= minLevelZeroTables {
		return minLevelZeroTables, 2 * minLevelZeroTables
	}
	return merge, 3 * merge
}

// Badger's keys: 'b' epoch sequence for blocks, and two of our own.
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
func keptKey() []byte { return []byte("r") }

// fillerKey sorts before the blocks.
func fillerKey() []byte { return []byte("a") }

// badgerOptions are measured, not guessed: small and few memtables bound the
// memory, compression off because blocks are compressed already.
func (q *Queue) badgerOptions() badger.Options {
	merge, stall := q.opts.levelZeroTables()
	o := badger.DefaultOptions(filepath.Join(q.opts.Dir, "badger")).
		WithSyncWrites(!q.opts.unsyncedForTest).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithMemTableSize(memTableBytes).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithNumLevelZeroTables(merge).
		WithNumLevelZeroTablesStall(stall).
		WithBlockSize(tableBlockBytes).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithValueThreshold(q.opts.valueThreshold).
		WithValueLogFileSize(64 << 20).
		WithVerifyValueChecksum(true).
		WithChecksumVerificationMode(options.OnBlockRead). // mendTables has read whole tables.
		WithLogger(q.disk)
	return o
}

// moveAway is how to go on when Badger's own bookkeeping is damaged.
const moveAway = "move this directory away and start with an empty one"

func (q *Queue) openStore() (err error) {
	// Badger asserts where it finds what it cannot explain. To the operator a
	// damaged directory is an error, not a stack trace.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("open badger: its files are damaged: %v; %s", r, moveAway)
		}
	}()
	if err := q.mendTables(); err != nil {
		return fmt.Errorf("check tables: %w", err)
	}
	q.disk = &diskLog{log: q.log}
	db, err := badger.Open(q.badgerOptions())
	if err != nil {
		return fmt.Errorf("open badger: %w; if its files are damaged, %s", err, moveAway)
	}
	q.db = db
	q.disk.opened.Store(true)
	return syncDir(q.opts.Dir)
}

// errDamaged is wrapped by what read returns for a block that is not what was
// written.
var errDamaged = errors.New("block is damaged")

// read returns a copy of one block after checking it.
func (q *Queue) read(seq uint64) (block []byte, b protocol.Block, err error) {
	q.reading.RLock()
	defer q.reading.RUnlock()
	if q.db == nil {
		return nil, b, ErrClosed
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: block %d: %v", errDamaged, seq, r)
		}
	}()
	err = q.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(blockKey(q.epoch, seq))
		if err != nil {
			return err
		}
		block, err = item.ValueCopy(nil)
		return err
	})
	if err != nil {
		return nil, b, fmt.Errorf("%w: block %d: %w", errDamaged, seq, err)
	}
	b, err = q.check(seq, block)
	return block, b, err
}

func (q *Queue) check(seq uint64, block []byte) (protocol.Block, error) {
	b, err := protocol.ParseBlock(block)
	if err != nil {
		return b, fmt.Errorf("%w: block %d: %w", errDamaged, seq, err)
	}
	if b.Epoch != q.epoch || b.Seq != seq {
		return b, fmt.Errorf("%w: block %d of epoch %016x lies where block %d of epoch %016x belongs", errDamaged, b.Seq, b.Epoch, seq, q.epoch)
	}
	return b, nil
}

// diskLog receives what Badger logs. Badger reports some failures of the disk
// only there, above all a failed fsync of its value log, so an error that is
// logged after the opening counts as a failed write.
type diskLog struct {
	log    *slog.Logger
	opened atomic.Bool
	err    atomic.Pointer[error]
}

// Errorf logs an error and remembers the first one.
func (d *diskLog) Errorf(format string, args ...any) {
	message := strings.TrimSpace(fmt.Sprintf(format, args...))
	d.log.Error("badger error", "message", message)
	if d.opened.Load() && strings.Contains(message, "sync") {
		err := fmt.Errorf("badger: %s", message)
		d.err.CompareAndSwap(nil, &err)
	}
}

// Warningf logs a warning.
func (d *diskLog) Warningf(format string, args ...any) {
	d.log.Warn("badger warning", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Infof drops what only Badger's developers read.
func (d *diskLog) Infof(string, ...any) {}

// Debugf drops what only Badger's developers read.
func (d *diskLog) Debugf(string, ...any) {}

func (d *diskLog) failed() error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}

// diskUsed adds up the blocks that the store's files occupy: Badger makes its
// files larger than they are full.
func diskUsed(dir string) int64 {
	var total int64
	entries, _ := os.ReadDir(filepath.Join(dir, "badger"))
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			total += allocated(info)
		}
	}
	return total
}
