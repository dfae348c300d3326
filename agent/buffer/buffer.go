// Package buffer is the agent's one durable queue. Events for which an SDK was
// told "200" lie here, fsynced, until an aggregator has acknowledged them.
//
//	Append ─► collect ─► compress ─► commit (one synced transaction) ─► wake the appenders
//	                     group n+1      group n
//	Next ─► (uplink sends) ─► Forget ─► low-water mark ─► retention tail ─► deleted by segments
//
// Concurrent appends become one block: one protocol.Block, one value in
// Badger, one synced commit. Blocks lie in segments, small Badger stores that
// are filled one after the other and deleted whole; see segment.go. A block is
// immutable; its sequence is contiguous within the epoch that was minted with
// the directory. Beside the segments lie the marker (how far the queue has
// come), the retention tail, and the dead letters. What must hold:
//
//   - Append returns nil only after the block's fsync. An error of the disk is
//     final: nobody is told that anything was stored after it, until the
//     process has been started again and has verified the blocks on the disk.
//   - A block is forgotten only by Forget. Anything up to the low-water mark is
//     garbage that may be kept for a replay.
//   - Damage is never silent: at Open every block that was not acknowledged is
//     read and checked, and a missing or damaged one is counted and named.
//   - Damage costs only the blocks it hits. Blocks are found by their own checksums,
//     in whatever is left of a segment's files (index.go). Nothing that reads a
//     queue or starts one shortens or removes a file; a segment that has lost a
//     block is set aside in the end instead of deleted.
package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// ErrClosed is returned by every method of a queue that has been closed.
var ErrClosed = errors.New("buffer is closed")

// FullError says that the buffer takes no more for now: its quota is reached
// or the disk is short of space.
type FullError struct {
	After  time.Duration // when to try again
	Reason string
}

// Error says why nothing is taken.
func (e *FullError) Error() string {
	return fmt.Sprintf("buffer is full: %s; try again in %s", e.Reason, e.After)
}

// RetryAfter is when the sender should try again.
func (e *FullError) RetryAfter() time.Duration { return e.After }

// Options configure a queue. Dir is required; zero values of the rest are the
// defaults in brackets.
type Options struct {
	Dir            string                // the queue's own directory, made if missing
	QuotaBytes     int64                 // bytes of blocks that are not acknowledged [8 GiB]
	MinFree        int64                 // bytes that must stay free on the disk [1 GiB]
	BallastBytes   int64                 // size of a file that is given up when the disk is full at start [64 MiB]; negative: none
	Retention      time.Duration         // how long acknowledged blocks are kept [24 h]
	RetentionBytes int64                 // how many bytes of them [a fifth of QuotaBytes]
	DeadBytes      int64                 // how many bytes of dead letters are kept [64 MiB, at most a fifth of QuotaBytes]
	Registerer     prometheus.Registerer // nil: no metrics
	Logger         *slog.Logger          // nil: no log
	Now            func() time.Time      // [time.Now]
	FreeSpace      func(dir string) (int64, error)
	groupBytes     int   // bytes of one group commit
	segmentBytes   int64 // bytes of the blocks of one segment
	zstdBelow      int64 // bytes of events a second up to which zstd compresses them
	sweepEvery     time.Duration
	commitFault    func() error // test: an error of the disk
}

func (o *Options) defaults() {
	setDefault(&o.QuotaBytes, 8<<30)
	setDefault(&o.MinFree, 1<<30)
	setDefault(&o.BallastBytes, 64<<20)
	setDefault(&o.Retention, 24*time.Hour)
	setDefault(&o.RetentionBytes, o.QuotaBytes/5)
	setDefault(&o.DeadBytes, min(64<<20, o.QuotaBytes/5))
	setDefault(&o.groupBytes, 1<<20)
	setDefault(&o.segmentBytes, min(max(o.QuotaBytes/64, minSegmentBytes), maxSegmentBytes))
	setDefault(&o.zstdBelow, zstdBelow)
	setDefault(&o.sweepEvery, time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
}

func setDefault[T int | int64 | time.Duration](p *T, value T) {
	if *p == 0 {
		*p = value
	}
}

// Queue is an open buffer. All its methods may be called concurrently.
type Queue struct {
	opts    Options
	log     *slog.Logger
	lock    *os.File
	epoch   uint64
	store   store
	dead    deadLetters
	codec   *protocol.Compressor
	marker  *markerFile
	space   spaceGauge
	metrics metrics
	oldest  oldestCache

	// The stages of the group commit; see append.go.
	collector collector
	pace      pace
	sealed    chan *sealedGroup
	payloads  chan []byte   // memory of compressed groups, to use again
	closing   chan struct{} // closed by Close: stop the background work
	wg        sync.WaitGroup
	failure   atomic.Pointer[error] // why the disk is no longer trusted; never reset

	persisting sync.Mutex // one at a time writes the files of persist

	telling   sync.Mutex
	positions []protocol.Position // see Tell; owned by telling

	mu     sync.Mutex
	state  state
	closed bool
}

// state describes the blocks of the queue. Owned by Queue.mu.
type state struct {
	mark       mark              // persisted: tail, chain, low-water mark …
	liveBytes  int64             // of blocks above the low-water mark that are not acknowledged
	liveEvents int64             // likewise
	liveBlocks int64             // likewise
	handed     map[uint64]size   // blocks that Next gave out and nobody has forgotten yet
	acked      map[uint64]size   // acknowledged out of order: above the low-water mark
	holes      []span            // sequences above the low-water mark that are lost, in order
	spans      map[uint64]uint64 // last sequence of an Append in several blocks → its first
	courtesy   courtesy          // of the reader towards what arrives
	kept       retention         // the acknowledged blocks that are still on disk
	dropped    dropped           // those that were
	replay     replayed          // asked for last
	committing bool              // the committer has a sequence
	resume     resume            // where it is to go on
	refused    string            // why nothing is taken, whatever room there is
	lostBlocks int64             // found missing or damaged since Open
	stored     chan struct{}     // closed and replaced when a block was committed
	forgotten  chan struct{}     // closed and replaced when a block was acknowledged
}

// size is the size of one block, in bytes and in events.
type size struct {
	bytes  int64
	events int64
}

// Open opens the queue in opts.Dir, makes it if it is not there, and verifies
// every block that has not been acknowledged. Close must be called.
func Open(opts Options) (*Queue, error) {
	opts.defaults()
	q := &Queue{opts: opts, log: opts.Logger, sealed: make(chan *sealedGroup), payloads: make(chan []byte, 3), closing: make(chan struct{}),
		pace: pace{above: opts.zstdBelow}}
	q.state = state{handed: map[uint64]size{}, acked: map[uint64]size{}, spans: map[uint64]uint64{},
		stored: make(chan struct{}), forgotten: make(chan struct{})}
	if err := q.open(); err != nil {
		q.abandon()
		return nil, fmt.Errorf("open buffer %s: %w", opts.Dir, err)
	}
	q.collector.init(opts.groupBytes)
	q.store.want()
	q.wg.Go(q.prepareSegments)
	q.wg.Go(q.sealSegments)
	q.wg.Go(q.compressGroups)
	q.wg.Go(q.commitGroups)
	q.wg.Go(q.sweep)
	return q, nil
}

func (q *Queue) open() error {
	var err error
	if q.codec, err = protocol.NewCompressor(); err != nil {
		return err
	}
	if err := os.MkdirAll(q.opts.Dir, 0o700); err != nil {
		return err
	}
	if q.lock, err = lockDir(q.opts.Dir); err != nil {
		return err
	}
	q.space = spaceGauge{dir: q.opts.Dir, measure: q.opts.FreeSpace, now: q.opts.Now}
	if err := q.releaseBallast(); err != nil {
		return err
	}
	q.metrics.init(q)
	q.store = store{dir: realPath(q.opts.Dir), log: q.log, segmentBytes: q.opts.segmentBytes,
		wanted: make(chan struct{}, 1), spares: make(chan spare), rolled: make(chan *segment, 1), sealed: map[*segment]int64{}}
	if err := q.recover(); err != nil {
		return err
	}
	q.dead = deadLetters{dir: filepath.Join(q.opts.Dir, deadDir), limit: q.opts.DeadBytes}
	q.dead.tidy()
	if err := q.dead.open(); err != nil {
		return err
	}
	if err := q.metrics.register(q.opts.Registerer); err != nil {
		return err
	}
	return q.layBallast()
}

// abandon gives back the resources of a failed Open.
func (q *Queue) abandon() {
	_ = q.store.close(false)
	if q.marker != nil {
		_ = q.marker.close()
	}
	if q.lock != nil {
		_ = q.lock.Close()
	}
}

// Epoch names this directory's life: random, minted when it was made.
func (q *Queue) Epoch() uint64 { return q.epoch }

// Position returns the lowest sequence that is not acknowledged, the sequence
// that the next block will get, and the running hash of all blocks written.
func (q *Queue) Position() (first, next, chain uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.state.mark.low + 1, q.state.mark.tail + 1, q.state.mark.chain
}

// Healthy returns why the queue no longer takes events, nil if it does. A full
// queue is healthy: it takes events again once some are acknowledged.
func (q *Queue) Healthy() error {
	if err := q.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail makes the first error of the disk final.
func (q *Queue) fail(err error) error {
	err = fmt.Errorf("buffer has stopped taking events; check the disk, then restart the agent: %w", err)
	if q.failure.CompareAndSwap(nil, &err) {
		q.log.Error("buffer failed", "error", err)
	}
	return *q.failure.Load()
}

// Run is the queue's part in a daemon.Group: it closes the queue when ctx
// ends.
func (q *Queue) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-q.closing:
	}
	return q.Close()
}

// Close commits what Append has taken, writes the low-water mark and releases
// the directory. Later calls of any method return ErrClosed.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		q.wg.Wait()
		return nil
	}
	q.closed = true
	q.mu.Unlock()
	q.collector.close()
	close(q.closing)
	q.wg.Wait()

	q.mu.Lock()
	m, kept := q.state.mark, q.state.kept
	q.wakeLocked(&q.state.stored)
	q.wakeLocked(&q.state.forgotten)
	q.mu.Unlock()
	var errs []error
	if q.Healthy() == nil {
		err := q.persist(m, kept)
		if errors.Is(err, unix.ENOSPC) { // the files stay older than the queue, and no worse
			q.log.Warn("buffer closes on a full disk", "error", err)
			err = nil
		}
		errs = append(errs, err)
	}
	errs = append(errs, q.store.close(q.Healthy() != nil), q.marker.close(), q.lock.Close())
	q.metrics.unregister(q.opts.Registerer)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close buffer: %w", err)
	}
	return nil
}

// wakeLocked lets everyone who waits on the channel look again.
func (q *Queue) wakeLocked(c *chan struct{}) {
	close(*c)
	*c = make(chan struct{})
}
