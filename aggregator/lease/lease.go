// Package lease runs a job on one node of all at a time, and keeps for all of them how far
// the job has come: the sweep of attributions, the reconciler and the search for conflicts
// of message ids work so. A lease saves work and guards nothing: two nodes at once do no
// harm, because a watermark is stored with the epoch of the lease and a later epoch wins.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Store keeps leases and watermarks for all nodes.
type Store interface {
	// Watermark returns up to when the work of a name is done, the zero time if it never was.
	Watermark(ctx context.Context, name string) (time.Time, error)
	// SetWatermark stores it; a holder of an earlier epoch than the last one gets an error.
	SetWatermark(ctx context.Context, name string, t time.Time, epoch int64) error
	// Lease takes or renews the lease of a name for an owner; held is false while another has it.
	Lease(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error)
}

// defaultTTL is how long a lease lasts after it was renewed for the last time.
const defaultTTL = 30 * time.Second

// renewals is how many times a lease is renewed in the time that it lasts.
const renewals = 6

// ErrLost says that another node does the job now.
var ErrLost = errors.New("the lease went to another node")

// Job is work that one node does at a time.
type Job struct {
	Store Store
	Name  string // of the lease and of the watermark
	Owner string // this node
	TTL   time.Duration
}

// Turn is a job under its lease.
type Turn struct {
	job   *Job
	epoch int64
}

// Do works while this node holds the lease, and does nothing while another does. However
// long a step of the work takes, the lease is renewed beside it; the context of the work
// ends when the lease is lost, and then Do fails with ErrLost.
func (j *Job) Do(ctx context.Context, work func(ctx context.Context, turn Turn) error) error {
	epoch, held, err := j.take(ctx)
	if err != nil {
		return fmt.Errorf("lease %s: %w", j.Name, err)
	}
	if !held {
		return nil
	}
	within, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { j.keep(within, epoch, stop) })
	err = work(within, Turn{j, epoch})
	cause := context.Cause(within)
	stop(nil)
	wg.Wait()
	if err != nil && errors.Is(cause, ErrLost) {
		return cause // the error of work that was cut off says nothing more
	}
	return err
}

func (j *Job) ttl() time.Duration {
	if j.TTL <= 0 {
		return defaultTTL
	}
	return j.TTL
}

func (j *Job) take(ctx context.Context) (epoch int64, held bool, err error) {
	return j.Store.Lease(ctx, j.Name, j.Owner, j.ttl())
}

// keep renews the lease until the context ends, and ends it when the lease is lost: to
// another node, or because nobody could be asked for as long as it lasts.
func (j *Job) keep(ctx context.Context, epoch int64, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(j.ttl() / renewals)
	defer ticker.Stop()
	for renewed := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now()
		now, held, err := j.take(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && held && now == epoch:
			renewed = asked
		case err == nil:
			stop(fmt.Errorf("lease %s: %w", j.Name, ErrLost))
			return
		case asked.Sub(renewed) > j.ttl():
			stop(fmt.Errorf("lease %s: %w: %w", j.Name, ErrLost, err))
			return
		}
	}
}

// Watermark returns up to when a part of the job is done, the zero time if it never was.
// The part "" is the whole job.
func (t Turn) Watermark(ctx context.Context, part string) (time.Time, error) {
	mark, err := t.job.Store.Watermark(ctx, t.name(part))
	if err != nil {
		return mark, fmt.Errorf("read watermark: %w", err)
	}
	return mark, nil
}

// SetWatermark stores it.
func (t Turn) SetWatermark(ctx context.Context, part string, mark time.Time) error {
	if err := t.job.Store.SetWatermark(ctx, t.name(part), mark, t.epoch); err != nil {
		return fmt.Errorf("store watermark: %w", err)
	}
	return nil
}

func (t Turn) name(part string) string {
	if part == "" {
		return t.job.Name
	}
	return t.job.Name + "/" + part
}
