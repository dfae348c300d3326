package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/lease"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// How message ids that were used for several contents are looked for.
const (
	conflictsName   = "event-id-conflicts" // of the lease and the watermark
	conflictsEvery  = time.Minute
	conflictsPause  = 50               // a search waits as many times as long as the last one took: it takes 2 % of the time,
	conflictsWait   = 3 * time.Minute  // except under load, where a conflict must be told within five minutes all the same
	conflictsMargin = 2 * time.Minute  // longer than an insert takes
	conflictsSlice  = 10 * time.Minute // of stored events, searched together
	conflictsStart  = 24 * time.Hour   // a first search goes no further back
	conflictsLease  = 10 * time.Minute
)

// finder records message ids that were used for several contents, on one node at a
// time, some minutes after they came. A touch or a conversion that was made of another
// content than the one that counts goes.
type finder struct {
	warehouse *warehouse.Warehouse
	leases    lease.Store
	repair    func(ctx context.Context, facts *attribution.Facts) (int, error)
	owner     string
	log       *slog.Logger
	found     prometheus.Counter
}

func newFinder(f finder, r prometheus.Registerer) *finder {
	f.found = promauto.With(r).NewCounter(prometheus.CounterOpts{
		Name: "unmogrowp_conflict_variants_total", Help: "Contents of message ids that were used for several (event_id_conflict), as they were recorded; again when more come."})
	return &f
}

// Run searches until ctx ends. A search that fails is made again.
func (f *finder) Run(ctx context.Context) error {
	wait := conflictsEvery
	for daemon.Sleep(ctx, wait) == nil {
		begun := time.Now()
		if err := f.search(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("conflicts of message ids not looked for, it is tried again", "error", err)
		}
		wait = untilNextSearch(time.Since(begun))
	}
	return nil
}

// untilNextSearch returns how long to wait after a search that took so long.
func untilNextSearch(took time.Duration) time.Duration {
	return min(max(conflictsEvery, conflictsPause*took), conflictsWait)
}

// search looks through the events stored since the watermark, and moves it.
func (f *finder) search(ctx context.Context) error {
	job := lease.Job{Store: f.leases, Name: conflictsName, Owner: f.owner, TTL: conflictsLease}
	return job.Do(ctx, func(ctx context.Context, turn lease.Turn) error {
		now, err := f.warehouse.Now(ctx)
		if err != nil {
			return err
		}
		mark, err := turn.Watermark(ctx, "")
		if err != nil {
			return err
		}
		if mark.IsZero() {
			mark = now.Add(-conflictsStart)
		}
		for until := mark; until.Before(now); {
			mark, until = until, until.Add(conflictsSlice)
			if until.After(now) {
				until = now
			}
			if err := f.slice(ctx, mark.Add(-conflictsMargin), until); err != nil {
				return err
			}
			if err := turn.SetWatermark(ctx, "", until); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *finder) slice(ctx context.Context, since, until time.Time) error {
	variants, err := f.warehouse.FindConflicts(ctx, since, until)
	if err != nil || len(variants) == 0 {
		return err
	}
	if err := f.warehouse.RecordConflicts(ctx, variants); err != nil {
		return err
	}
	f.found.Add(float64(len(variants)))
	lost, err := f.warehouse.DropLost(ctx, variants)
	if err != nil {
		return err
	}
	_, err = f.repair(ctx, &lost)
	return err
}
