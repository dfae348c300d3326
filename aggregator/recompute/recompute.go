// Package recompute keeps the stored attributions equal to those that follow from
// the stored facts.
//
// Two triggers lead to a recomputation. The fast path is told of new facts by
// the node that stored them and recomputes at once the conversions that they
// can reach: new ones, stored ones that a late touch reaches, and stored ones
// that a new identity link reaches. It may forget. The sweep does not: it reads
// back everything that was inserted since a watermark, less a margin longer than
// any insert takes, and recomputes whatever does not match its inputs.
//
//	new facts ──► Hint (bounded, may drop) ──► recompute ──► attributions
//	ClickHouse ──► Since(watermark − margin) ──► recompute ──► attributions, watermark
//
// Both compute from ClickHouse and never from memory, so it makes no difference
// how many nodes do it, in which order, or how often.
package recompute

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/lease"
)

// Stored are the facts in the warehouse. Reads see everything that was stored
// before they began. Of a message id used more than once they return the variant
// that counts.
type Stored interface {
	// Links returns the identity links of keys.
	Links(ctx context.Context, app string, keys []string) ([]attribution.Link, error)
	// Touches returns touches with one of keys and from < time <= to, but not those
	// of kind Open.
	Touches(ctx context.Context, app string, keys []string, from, to int64) ([]attribution.Touch, error)
	// Openings returns those of kind Open.
	Openings(ctx context.Context, app string, keys []string, from, to int64) ([]attribution.Touch, error)
	// ConversionsOf returns the ids of the conversions that have a variant with one of keys:
	// at or after from, or an install of any time. Others may be among them.
	ConversionsOf(ctx context.Context, app string, keys []string, from int64) ([]string, error)
	ConversionsByID(ctx context.Context, app string, ids []string) ([]attribution.Conversion, error)
}

// Store is the warehouse, with the facts and the attributions computed from them.
type Store interface {
	Stored
	// Stamps returns those of the stored attributions of conversions.
	Stamps(ctx context.Context, app string, ids []string) (map[string]attribution.Stamp, error)
	InsertAttributions(ctx context.Context, rows []attribution.Row) error
	// RecordConflicts keeps the variants of message ids that have several contents.
	RecordConflicts(ctx context.Context, variants []attribution.Variant) error
}

// Feed lists the facts stored in a range of time, and the conversions attributed by older
// settings.
type Feed interface {
	// Now is the clock that Since goes by.
	Now(ctx context.Context) (time.Time, error)
	// Since returns a page of the facts stored in [since, until) and the cursor of
	// the next page, "" after the last.
	Since(ctx context.Context, since, until time.Time, cursor string, limit int) (attribution.Facts, string, error)
	// Stale returns a page of the conversions at or after from, in the order of their ids and
	// after one of them, that are stored as attributed by settings older than a generation.
	Stale(ctx context.Context, app string, from int64, generation uint64, after string, limit int) ([]string, error)
}

// Settings returns the settings of an app as they stood at a time in
// milliseconds. It must be safe for concurrent use and never return nil.
type Settings func(app string, ms int64) *attribution.Settings

// Options configure an Attributor. Store, Feed, Watermarks and
// Settings are required.
type Options struct {
	Store      Store
	Feed       Feed
	Watermarks lease.Store // how far the sweep has come, and who sweeps
	Settings   Settings
	Versions   Versions // nil: attributions by older settings are left to the reconciler
	// Restate mends the facts of an app with from <= time < to, in milliseconds, that
	// were derived by other settings than those of their time, and returns how many
	// these were; nil leaves that to the reconciler.
	Restate func(ctx context.Context, app string, from, to int64) (int, error)
	Owner   string // this node, for the lease

	SweepEvery time.Duration // 0 is 5 s
	Margin     time.Duration // must exceed the longest insert; 0 is 120 s
	Young      time.Duration // a fact may not be readable everywhere until it is so old; 0 is 40 s
	Workers    int           // computations of one sweep at once; 0 is 2

	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil logs nothing
}

// WatermarkName names the watermark and the lease of the sweep.
const WatermarkName = "attribution-sweep"

// The bounds of an Attributor.
const (
	queueFacts = 20_000 // conversions waiting in the fast path, and touches; more are left to the sweep
	chunkFacts = 80_000 // facts recomputed together
	pageFacts  = 40_000 // facts read by the sweep at once
	seenFacts  = 1_000_000

	fullEvery = 6 // sweeps: the others look at the youngest facts only
)

// Attributor recomputes attributions.
type Attributor struct {
	o       Options
	queue   *queue
	done    *seen // facts that need no recomputation any more
	young   *seen // facts recomputed while they were young
	writes  *writes
	metrics *metrics

	sweeping lease.Job

	sweeps int       // owned by the sweep loop
	last   time.Time // of the sweeps of young facts; owned by it too
}

// New returns an Attributor; Run starts it.
func New(o Options) (*Attributor, error) {
	if o.Store == nil || o.Feed == nil || o.Watermarks == nil || o.Settings == nil {
		return nil, errors.New("make attributor: a store, a feed, watermarks and settings are needed")
	}
	if o.SweepEvery <= 0 {
		o.SweepEvery = 5 * time.Second
	}
	if o.Margin <= 0 {
		o.Margin = 120 * time.Second
	}
	if o.Young <= 0 {
		o.Young = 40 * time.Second
	}
	if o.Margin <= o.Young {
		return nil, errors.New("make attributor: the margin must be longer than a fact is young")
	}
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Attributor{
		o:       o,
		queue:   newQueue(queueFacts),
		done:    newSeen(seenFacts),
		young:   newSeen(seenFacts),
		writes:  newWrites(),
		metrics: newMetrics(o.Registerer),

		sweeping: lease.Job{Store: o.Watermarks, Name: WatermarkName, Owner: o.Owner},
	}, nil
}

// Hint tells that facts have just been stored. It never blocks; when too many
// wait, the hint is dropped and the sweep finds the facts. The Attributor keeps
// the slices.
func (a *Attributor) Hint(facts attribution.Facts) {
	a.dropKnownLinks(&facts)
	a.metrics.dropped.Add(float64(a.queue.add(facts)))
}

// Mismatched returns how many attributions the last sweeps found that did not
// match inputs stored more than a minute before, and how many the last comparison
// with the second implementation. Anything but 0 is a fault.
func (a *Attributor) Mismatched(context.Context) (int, error) {
	return int(a.metrics.wrong()), nil
}

// Differ tells how many attributions the last comparison with the second
// implementation found to differ.
func (a *Attributor) Differ(n int) { a.metrics.differ(n) }

func size(f *attribution.Facts) int {
	return len(f.Touches) + len(f.Conversions) + len(f.Links)
}
