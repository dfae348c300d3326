package buffer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// View is the buffer of an agent that does not run, to look at. No file is
// opened for writing, made, moved or removed. Close must be called.
type View struct {
	st    *store
	found standing
	dead  deadLetters
	lock  *os.File
	codec *protocol.Compressor
	opts  Options
}

// Lost is a range of blocks, both ends included, that should wait and cannot be read.
type Lost struct{ First, Last uint64 }

// Look reads the buffer in opts.Dir and checks every block that was not
// acknowledged.
func Look(opts Options) (v *View, err error) {
	opts.defaults()
	v = &View{opts: opts}
	defer func() {
		if err != nil {
			err = fmt.Errorf("look at buffer %s: %w", opts.Dir, errors.Join(err, v.Close()))
		}
	}()
	if v.codec, err = protocol.NewCompressor(); err != nil {
		return v, err
	}
	if v.lock, err = lockToLook(opts.Dir); err != nil {
		return v, err
	}
	v.st = &store{dir: realPath(opts.Dir), log: opts.Logger, segmentBytes: opts.segmentBytes, sealed: map[*segment]int64{}}
	if v.found, err = v.st.stand(); err != nil {
		return v, err
	}
	for _, dir := range v.found.segments.strays {
		opts.Logger.Error("buffer segment holds no whole block", "segment", dir)
	}
	for _, l := range v.Lost() {
		opts.Logger.Error("buffer lost blocks", "epoch", fmt.Sprintf("%016x", v.found.epoch), "first", l.First, "last", l.Last, "blocks", l.Last-l.First+1)
	}
	v.dead = deadLetters{dir: filepath.Join(opts.Dir, deadDir), limit: opts.DeadBytes}
	return v, v.dead.open()
}

// lockToLook makes sure that no agent works with the directory meanwhile. A lock
// file that is missing is not made.
func lockToLook(dir string) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w (does an agent use this directory? stop it first)", f.Name(), err)
	}
	return f, nil
}

// Close lets go of the files.
func (v *View) Close() error {
	var errs []error
	if v.st != nil {
		errs = append(errs, v.st.close(true))
	}
	if v.lock != nil {
		errs = append(errs, v.lock.Close())
	}
	return errors.Join(errs...)
}

// Stats returns the figures with which an agent that starts now would begin.
func (v *View) Stats() Stats {
	m, kept := v.found.mark, v.found.kept.sum()
	s := Stats{Epoch: v.found.epoch, FirstSeq: m.low + 1, NextSeq: m.tail + 1, QueuedBlocks: v.found.blocks, QueuedEvents: v.found.live.events,
		QueuedBytes: v.found.live.bytes, KeptBlocks: kept.blocks, KeptBytes: kept.bytes, DiskUsed: v.st.used(), DiskQuota: v.opts.QuotaBytes}
	for _, l := range v.found.lost {
		s.Lost += int64(l.len())
	}
	s.DeadLetters, s.DeadEvents = v.dead.totals()
	s.AsideCount, s.AsideBytes = v.st.asideTotals()
	s.DiskFree, _ = v.opts.FreeSpace(v.opts.Dir)
	return s
}

// Lost names the blocks that should wait and cannot be read.
func (v *View) Lost() (list []Lost) {
	for _, s := range v.found.lost {
		list = append(list, Lost{s.first, s.last})
	}
	return list
}

// Each visits the blocks that wait, in order.
func (v *View) Each(ctx context.Context, visit func(seq uint64, block []byte) error) error {
	for seq := v.found.mark.low + 1; seq <= v.found.mark.tail; seq++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, ok := v.st.find(seq)
		if !ok {
			continue
		}
		block, err := s.get(v.st, v.found.epoch, seq)
		if errors.Is(err, errDamaged) {
			continue
		}
		if err == nil {
			err = visit(seq, block)
		}
		if err != nil {
			return fmt.Errorf("block %d: %w", seq, err)
		}
	}
	return nil
}

// Dead returns the dead letters, the oldest first.
func (v *View) Dead() []DeadLetter { return v.dead.all() }

// DeadEvents decodes the events of a dead letter.
func (v *View) DeadEvents(name string) ([]protocol.Event, error) { return v.dead.events(v.codec, name) }

// SetAside lists everything set aside, and the damaged segments still in use.
func (v *View) SetAside() ([]SetAside, error) { return v.st.aside(v.found.epoch) }

// EachAside visits the whole blocks in something that was set aside, in order.
func (v *View) EachAside(name string, visit func(seq uint64, block []byte) error) error {
	path, err := v.st.asidePath(name)
	if err != nil {
		return err
	}
	ix, err := indexBlocks(path, 0)
	if err != nil {
		return err
	}
	for _, seq := range ix.sequences() {
		block, err := ix.read(seq)
		if err == nil {
			err = visit(seq, block)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("block %d: %w", seq, err), ix.close())
		}
	}
	return ix.close()
}

// DiscardAside removes something that was set aside, for good. No agent may run.
func DiscardAside(dir, name string, log *slog.Logger) (err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	st := &store{dir: realPath(dir), log: log}
	path, err := st.asidePath(name)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("discard %s: %w", name, err)
	}
	return syncDir(filepath.Dir(path))
}
