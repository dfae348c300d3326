// Package runs does what takes longer than a request: attribution that learns from
// all paths of a range, and attribution of a range under other settings.
//
// A run is a row in Postgres that any node takes by a lease, renews while it works
// and finishes. A node that dies loses the lease, and another goes on where it left
// a mark. Whoever has lost a run, or whose run was cancelled, hears of it when it
// renews, at the latest before it could store a result: the epoch of the lease
// fences it off.
//
//	pending ──take──► running ──finish──► done | failed
//	   │                 │  ▲
//	   └────cancel───────┘  └── the lease ends: another node takes it
package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Store keeps the runs. Postgres does.
type Store interface {
	TakeRun(ctx context.Context, owner string, ttl time.Duration) (apps.Job, bool, error)
	KeepRun(ctx context.Context, job apps.Job, progress float64, mark string, ttl time.Duration) error
	FinishRun(ctx context.Context, job apps.Job, result []byte, fault string) error
	ReleaseRun(ctx context.Context, job apps.Job) error
	PostponeRun(ctx context.Context, job apps.Job, pause time.Duration) error
}

// Progress is told how far a run is, 0 to 1, and from where another node would go on.
type Progress func(done float64, mark string)

// Kind does the runs of a kind and returns the result, which becomes JSON. An error
// that is for people is a *report.InvalidError, and final; after any other the run
// is tried again, after pauses that grow.
type Kind func(ctx context.Context, job apps.Job, progress Progress) (any, error)

// Options configure a Runner. Store, Kinds and Owner are required.
type Options struct {
	Store Store
	Kinds map[string]Kind
	Owner string // this node

	Poll  time.Duration // 0 is 1 s
	Lease time.Duration // 0 is 15 s; renewed three times in that time
	Log   *slog.Logger  // nil logs nothing
}

// Runner does runs, one at a time.
type Runner struct{ o Options }

// New returns a Runner; Run starts it.
func New(o Options) (*Runner, error) {
	if o.Store == nil || len(o.Kinds) == 0 || o.Owner == "" {
		return nil, errors.New("make runner: a store, kinds and an owner are needed")
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Lease <= 0 {
		o.Lease = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{o}, nil
}

// Run does what there is to do until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.o.Poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for ctx.Err() == nil {
			job, found, err := r.o.Store.TakeRun(ctx, r.o.Owner, r.o.Lease)
			if err != nil && ctx.Err() == nil {
				r.o.Log.Warn("runs cannot be taken", "error", err)
			}
			if err != nil || !found {
				break
			}
			r.do(ctx, job)
		}
	}
}

// do does one run and stores its result.
func (r *Runner) do(ctx context.Context, job apps.Job) {
	log := r.o.Log.With("run", job.ID, "kind", job.Kind, "app", job.App)
	log.Info("run begins", "epoch", job.Epoch, "progress", job.Progress)
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	k := &keeper{done: job.Progress, mark: job.Mark}
	var wg sync.WaitGroup
	wg.Go(func() { r.keep(working, job, k, stop) })
	result, err := r.compute(working, job, k.told)
	lost := context.Cause(working)
	stop(nil)
	wg.Wait()
	// The last write must not be given up because this node stops.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var bad *report.InvalidError
	switch {
	case errors.Is(lost, postgres.ErrFenced):
		log.Info("run was cancelled, or another node has it")
		return
	case err == nil:
		err = r.o.Store.FinishRun(last, job, result, "")
	case ctx.Err() != nil:
		err = r.giveBack(last, job, k, func() error { return r.o.Store.ReleaseRun(last, job) })
	case errors.As(err, &bad):
		err = r.o.Store.FinishRun(last, job, nil, bad.Reason)
	default:
		log.Error("run failed, and is tried again after a pause", "error", err)
		err = r.giveBack(last, job, k, func() error { return r.o.Store.PostponeRun(last, job, r.o.Lease) })
	}
	if err != nil && !errors.Is(err, postgres.ErrFenced) {
		log.Error("run could not be ended", "error", err)
		return
	}
	log.Info("run ends")
}

// giveBack stores the last progress and mark of the run, and gives it back.
func (r *Runner) giveBack(ctx context.Context, job apps.Job, k *keeper, give func() error) error {
	done, mark := k.read()
	if err := r.o.Store.KeepRun(ctx, job, done, mark, r.o.Lease); err != nil {
		return err
	}
	return give()
}

func (r *Runner) compute(ctx context.Context, job apps.Job, progress Progress) ([]byte, error) {
	kind := r.o.Kinds[job.Kind]
	if kind == nil {
		return nil, &report.InvalidError{Reason: fmt.Sprintf("runs of the kind %q are unknown to this version", job.Kind)}
	}
	result, err := kind(ctx, job, progress)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return text, nil
}

// keeper holds the last progress and mark that a run has told.
type keeper struct {
	mu   sync.Mutex
	done float64
	mark string
}

func (k *keeper) told(done float64, mark string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done, k.mark = done, mark
}

func (k *keeper) read() (float64, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.done, k.mark
}

// keep renews the lease, and stops the work when it is lost.
func (r *Runner) keep(ctx context.Context, job apps.Job, k *keeper, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(r.o.Lease / 15)
	defer ticker.Stop()
	renewed, last := time.Now(), -1.0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		done, mark := k.read()
		if done == last && time.Since(renewed) < r.o.Lease/3 {
			continue
		}
		switch err := r.o.Store.KeepRun(ctx, job, done, mark, r.o.Lease); {
		case errors.Is(err, postgres.ErrFenced):
			stop(err)
			return
		case err != nil && time.Since(renewed) > r.o.Lease:
			stop(fmt.Errorf("renew lease: %w: %w", postgres.ErrFenced, err))
			return
		case err == nil:
			renewed, last = time.Now(), done
		}
	}
}
