package buffer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Adopted is what Adopt did.
type Adopted struct {
	Blocks, Events int64
	Kept           string // the directory of the former buffer
}

// Adopt gives the blocks that wait in a buffer a new epoch: they become those of
// whoever sends them from now on. It is for a buffer that the core does not take,
// because it is a copy or was another agent's. The former buffer is kept beside it,
// as it was. No agent may run.
func Adopt(ctx context.Context, opts Options) (a Adopted, err error) {
	opts.defaults()
	work := opts.Dir + ".adopting"
	if err := os.RemoveAll(work); err != nil { // of one that was interrupted
		return a, fmt.Errorf("adopt buffer: %w", err)
	}
	old, err := Look(opts)
	if err != nil {
		return a, fmt.Errorf("adopt buffer: %w", err)
	}
	a.Kept = fmt.Sprintf("%s.%016x", opts.Dir, old.found.epoch)
	if _, err := os.Stat(a.Kept); err == nil {
		return a, errors.Join(fmt.Errorf("adopt buffer: %s is there already: it was adopted before", a.Kept), old.Close())
	}
	next := opts
	next.Dir, next.BallastBytes = work, -1
	if err := a.move(ctx, old, next); err != nil {
		return a, errors.Join(fmt.Errorf("adopt buffer: %w", err), old.Close(), os.RemoveAll(work))
	}
	if err := old.Close(); err != nil {
		return a, err
	}
	if err := errors.Join(os.Rename(opts.Dir, a.Kept), os.Rename(work, opts.Dir), syncDir(filepath.Dir(opts.Dir))); err != nil {
		return a, fmt.Errorf("adopt buffer: %w", err)
	}
	return a, nil
}

// move appends the events that wait in one buffer to a new one.
func (a *Adopted) move(ctx context.Context, old *View, to Options) (err error) {
	q, err := Open(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	return old.Each(ctx, func(_ uint64, block []byte) error {
		b, err := protocol.ParseBlock(block)
		if err != nil {
			return err
		}
		raw, err := old.codec.Raw(&b)
		if err != nil {
			return err
		}
		if _, err := q.Append(ctx, raw[arrayHeader:], b.Count); err != nil {
			return err
		}
		a.Blocks++
		a.Events += int64(b.Count)
		return nil
	})
}
