package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/lease"
)

// LeaseName names the lease of the standing job; with "/" and an app behind, the
// watermark of how far it has come in the app.
const LeaseName = "attribution-reconcile"

const (
	reach  = 92 * 24 * time.Hour // how far back the standing job goes, beyond the longest lookback
	recent = 10 * time.Minute    // conversions so young are left to the sweep
)

// Run is the standing job: on one node of all it goes through the conversions of
// the last months of every app, a page at a time, and begins again at the end. A
// page that fails is tried again, by halves.
func (r *Reconciler) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.o.Every)
	defer ticker.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if err := r.Step(ctx, now, turn); err != nil && ctx.Err() == nil {
				r.metrics.failures.Inc()
				r.o.Logger.Warn("attributions not reconciled, it is tried again", "error", err)
			}
		}
	}
}

// Step compares the next page of the app whose turn it is. It does nothing while
// another node holds the lease.
func (r *Reconciler) Step(ctx context.Context, now time.Time, turn int) error {
	apps := slices.Sorted(slices.Values(r.o.Apps()))
	if len(apps) == 0 {
		return nil
	}
	app := apps[turn%len(apps)]
	ttl := 2*r.o.Every + 2*max(r.o.Settle, 0) + time.Minute
	job := lease.Job{Store: r.o.Leases, Name: LeaseName, Owner: r.o.Owner, TTL: ttl}
	return job.Do(ctx, func(ctx context.Context, turn lease.Turn) error { return r.next(ctx, turn, app, now) })
}

// next compares the next page of an app.
func (r *Reconciler) next(ctx context.Context, turn lease.Turn, app string, now time.Time) error {
	from, err := r.place(ctx, turn, app, now)
	if err != nil {
		return err
	}
	page, next, more, err := r.o.Store.ConversionsAfter(ctx, app, from, now.Add(-recent).UnixMilli(), r.pageSize(app))
	if err != nil {
		return err
	}
	until := next.Time
	if !more { // the end: begin again
		until, next = now.Add(-recent).UnixMilli(), attribution.Cursor{Time: now.Add(-reach).UnixMilli()}
	}
	restated, err := r.restate(ctx, app, from.Time, until)
	if err != nil {
		return err
	}
	out, err := r.page(ctx, app, page)
	if err = r.settle(app, page, err); err != nil {
		return err
	}
	r.o.Report(out.Different + restated)
	r.cursors[app] = next
	return turn.SetWatermark(ctx, app, time.UnixMilli(next.Time))
}

// pageSize is how many conversions the job compares at once in an app.
func (r *Reconciler) pageSize(app string) int {
	if size, ok := r.sizes[app]; ok {
		return size
	}
	return r.o.PageSize
}

// settle has a page that failed tried again by halves, for one conversion that needs more than the server
// gives would keep the job from all behind it. That one is passed over in the end, which is no error.
func (r *Reconciler) settle(app string, page []attribution.Conversion, err error) error {
	switch {
	case err == nil && 2*r.pageSize(app) >= r.o.PageSize:
		delete(r.sizes, app)
	case err == nil:
		r.sizes[app] = 2 * r.pageSize(app)
	case len(page) > 1:
		r.sizes[app] = len(page) / 2
	case len(page) == 1:
		r.metrics.count(Outcome{Skipped: 1})
		r.o.Logger.Error("attribution cannot be reconciled and is passed over", "app", app, "conversion", page[0].ID, "error", err)
		return nil
	}
	return err
}

// place is where the job goes on in an app.
func (r *Reconciler) place(ctx context.Context, turn lease.Turn, app string, now time.Time) (attribution.Cursor, error) {
	oldest := attribution.Cursor{Time: now.Add(-reach).UnixMilli()}
	mark, err := turn.Watermark(ctx, app)
	if err != nil || mark.IsZero() || mark.UnixMilli() < oldest.Time {
		return oldest, err
	}
	if c, ok := r.cursors[app]; ok && c.Time == mark.UnixMilli() {
		return c, nil // else another node has gone on meanwhile
	}
	return attribution.Cursor{Time: mark.UnixMilli()}, nil
}
