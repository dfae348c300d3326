// Package reconcile compares the stored attributions with those that a second,
// independent implementation computes from the same facts, and has repaired what
// differs.
//
// A difference may only mean that facts have just arrived and are not attributed
// yet. So what differs is looked at again a while later, and only what still
// differs counts. Repair goes in two steps: first the ordinary recomputation,
// which mends rows whose inputs were missed; then a rewrite, which also mends rows
// that were damaged. What differs even then is in dispute between the two
// implementations: a fault of one of them, which no repair can settle.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/lease"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Store is the warehouse.
type Store interface {
	// ConversionsAfter returns a page of the conversions after a place and before a
	// time, the place after it, and whether there may be more.
	ConversionsAfter(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) ([]attribution.Conversion, attribution.Cursor, bool, error)
	// Attributions returns the stored attributions of conversions.
	Attributions(ctx context.Context, app string, ids []string) ([]attribution.Row, error)
	// Twin computes them anew, each with the settings of its time;
	// attribution.ErrTooManyKeys asks for fewer at once.
	Twin(ctx context.Context, app string, ids []string, at func(ms int64) *attribution.Settings) ([]attribution.Row, error)
}

// Repairer brings stored attributions up to date.
type Repairer interface {
	Recompute(ctx context.Context, facts *attribution.Facts) (int, error)
	Rewrite(ctx context.Context, app string, ids []string) (int, error)
}

// Options configure a Reconciler. Store, Repairer and Settings are
// required; Leases, Apps and Owner for Run.
type Options struct {
	Store    Store
	Repairer Repairer
	Settings func(app string, ms int64) *attribution.Settings // as they stood at a time; never nil
	Leases   lease.Store                                      // who does the standing job, and how far it has come
	Apps     func() []string
	Owner    string // this node
	Report   func(differences int)
	// Restate mends the facts of an app with from <= time < to and returns how many
	// did not match the events; nil mends none. See Restater.
	Restate func(ctx context.Context, app string, from, to int64) (int, error)

	Every    time.Duration // between two pages of the standing job; 0 is 1 min
	Settle   time.Duration // how long a difference must last to count; 0 is 1 min, less than 0 not at all
	PageSize int           // conversions compared at once; 0 is 1000

	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil logs nothing
}

// Reconciler compares and repairs.
type Reconciler struct {
	o       Options
	metrics *metrics

	// Of the standing job, by app; owned by Run.
	cursors map[string]attribution.Cursor
	sizes   map[string]int // of the next page, after one that failed
}

// New returns a Reconciler. Range works at once; Run is the standing job.
func New(o Options) (*Reconciler, error) {
	if o.Store == nil || o.Repairer == nil || o.Settings == nil {
		return nil, errors.New("make reconciler: a store, a repairer and settings are needed")
	}
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Settle == 0 {
		o.Settle = time.Minute
	}
	if o.PageSize <= 0 {
		o.PageSize = 1000
	}
	if o.Report == nil {
		o.Report = func(int) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Reconciler{o: o, metrics: newMetrics(o.Registerer), cursors: make(map[string]attribution.Cursor), sizes: make(map[string]int)}, nil
}

// Outcome counts the findings of a comparison. Of the different conversions all are
// repaired except those in dispute. Skipped are conversions of people with too many
// keys for a second computation. Restated are facts that were missing, or did not match
// the events under the settings of their time; they are mended.
type Outcome struct {
	Compared  int `json:"compared"`
	Different int `json:"different"`
	Repaired  int `json:"repaired"`
	Disputed  int `json:"disputed"`
	Skipped   int `json:"skipped"`
	Restated  int `json:"restated"`
}

func (o *Outcome) add(p Outcome) {
	o.Compared += p.Compared
	o.Different += p.Different
	o.Repaired += p.Repaired
	o.Disputed += p.Disputed
	o.Skipped += p.Skipped
	o.Restated += p.Restated
}

// Range compares the conversions of an app from one time to before another, in
// milliseconds, and repairs what differs.
func (r *Reconciler) Range(ctx context.Context, app string, from, to int64) (Outcome, error) {
	var total Outcome
	restated, err := r.restate(ctx, app, from, to)
	if total.Restated = restated; err != nil {
		return total, err
	}
	err = Pages(ctx, r.o.Store, Span{app, from, to, r.o.PageSize}, func(page []attribution.Conversion) error {
		found, err := r.page(ctx, app, page)
		total.add(found)
		return err
	})
	return total, err
}

// restate mends facts and counts them.
func (r *Reconciler) restate(ctx context.Context, app string, from, to int64) (int, error) {
	if r.o.Restate == nil {
		return 0, nil
	}
	n, err := r.o.Restate(ctx, app, from, to)
	r.metrics.found.WithLabelValues("restated").Add(float64(n))
	return n, err
}

// page compares some conversions and repairs them.
func (r *Reconciler) page(ctx context.Context, app string, page []attribution.Conversion) (Outcome, error) {
	differ, skipped, err := r.compare(ctx, app, page)
	out := Outcome{Compared: len(page) - skipped, Skipped: skipped}
	if err == nil && len(differ) > 0 && r.o.Settle > 0 {
		if err = daemon.Sleep(ctx, r.o.Settle); err == nil {
			differ, _, err = r.compare(ctx, app, differ)
		}
	}
	if err == nil && len(differ) > 0 {
		out.Different = len(differ)
		var disputed []attribution.Conversion
		disputed, err = r.repair(ctx, app, differ)
		out.Disputed, out.Repaired = len(disputed), len(differ)-len(disputed)
	}
	r.metrics.count(out)
	if err != nil {
		return out, fmt.Errorf("reconcile app %s: %w", app, err)
	}
	return out, nil
}

// repair returns the conversions that differ in spite of it.
func (r *Reconciler) repair(ctx context.Context, app string, differ []attribution.Conversion) ([]attribution.Conversion, error) {
	if _, err := r.o.Repairer.Recompute(ctx, &attribution.Facts{Conversions: differ}); err != nil {
		return differ, err
	}
	left, _, err := r.compare(ctx, app, differ)
	if err != nil || len(left) == 0 {
		return left, err
	}
	if _, err := r.o.Repairer.Rewrite(ctx, app, names(left)); err != nil {
		return left, err
	}
	left, _, err = r.compare(ctx, app, left)
	for i := range left {
		r.o.Logger.Error("the two implementations of attribution disagree", "app", app, "conversion", left[i].ID)
	}
	return left, err
}

func names(conversions []attribution.Conversion) []string {
	ids := make([]string, len(conversions))
	for i := range conversions {
		ids[i] = conversions[i].ID
	}
	return ids
}
