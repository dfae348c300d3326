// Package rollup keeps the sums of hours complete and right, which reports read instead of rows:
// it has them made for hours that have come to rest, has some compared with the rows again and
// again, and has those removed that were replaced.
//
// Reports are exact without it: hours without sums are read from the rows. It makes them fast.
package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/unmogrowp/unmogrowp/aggregator/lease"
)

// Store is the warehouse's side.
type Store interface {
	// Build makes the sums of up to limit buckets that have rested for a margin, and returns how many.
	Build(ctx context.Context, margin time.Duration, limit int) (int, error)
	// Unsummed returns how many buckets have no sums that are right.
	Unsummed(ctx context.Context) (uint64, error)
	// Differing compares up to limit buckets, chosen by a seed, and has the wrong ones made again.
	Differing(ctx context.Context, seed uint64, limit int) (compared, wrong int, err error)
	// Clean removes sums that were replaced.
	Clean(ctx context.Context) error
}

const (
	leaseName = "rollups"

	buildEvery   = 20 * time.Second
	buildLimit   = 480 // buckets of one search: twenty days of hours
	compareEvery = 15  // builds
	compareLimit = 20
	cleanEvery   = 1000 // builds, about six hours
)

// Options are the parts that a Keeper works with; all but the registerer and the logger are required.
type Options struct {
	Store      Store
	Leases     lease.Store
	Owner      string        // this node
	Margin     time.Duration // how long a bucket rests: longer than an insert takes
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Keeper does the work on one node at a time.
type Keeper struct {
	o     Options
	turns uint64 // owned by Run

	built    prometheus.Counter
	compared prometheus.Counter
	wrong    prometheus.Counter
	unsummed prometheus.Gauge
	failures prometheus.Counter
}

// New returns a Keeper; Run starts it.
func New(o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	f := promauto.With(o.Registerer)
	return &Keeper{
		o: o,
		built: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_rollup_hours_total", Help: "Hours of an app of which the sums were made, again when something in them changed."}),
		compared: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_rollup_compared_total", Help: "Hours of an app of which the sums were compared with the rows."}),
		wrong: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_rollup_wrong_total", Help: "Hours of an app whose sums differed from the rows; they are made again. Anything but 0 is a fault."}),
		unsummed: f.NewGauge(prometheus.GaugeOpts{
			Name: "unmogrowp_rollup_unsummed_hours", Help: "Hours of an app that reports read row by row, as the node that makes sums last saw it."}),
		failures: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_rollup_failures_total", Help: "Times that sums could not be made or compared; it is tried again."}),
	}
}

// Run works until ctx ends. Nothing that fails stops it.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(buildEvery)
	defer ticker.Stop()
	job := lease.Job{Store: k.o.Leases, Name: leaseName, Owner: k.o.Owner}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := job.Do(ctx, func(ctx context.Context, _ lease.Turn) error { return k.turn(ctx) })
		if err != nil && ctx.Err() == nil && !errors.Is(err, lease.ErrLost) {
			k.failures.Inc()
			k.o.Logger.Warn("sums of hours not made, it is tried again", "error", err)
		}
	}
}

// turn makes the sums that are due, and now and then compares and cleans.
func (k *Keeper) turn(ctx context.Context) error {
	k.turns++
	for {
		n, err := k.o.Store.Build(ctx, k.o.Margin, buildLimit)
		if err != nil {
			return err
		}
		k.built.Add(float64(n))
		if n < buildLimit || ctx.Err() != nil {
			break
		}
	}
	left, err := k.o.Store.Unsummed(ctx)
	if err != nil {
		return err
	}
	k.unsummed.Set(float64(left))
	if k.turns%compareEvery == 0 {
		compared, wrong, err := k.o.Store.Differing(ctx, k.turns, compareLimit)
		k.compared.Add(float64(compared))
		k.wrong.Add(float64(wrong))
		if wrong > 0 {
			k.o.Logger.Error("sums of hours were wrong and are made again", "hours", wrong, "of", compared)
		}
		if err != nil {
			return fmt.Errorf("compare: %w", err)
		}
	}
	if k.turns%cleanEvery == 0 {
		return k.o.Store.Clean(ctx)
	}
	return nil
}
