package recompute

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// A node hears of new settings a moment after they apply, or much later when it
// is cut off from Postgres, and until then derives facts and attributes by the old
// ones. So when it hears of them, it has the facts of the time that the new ones apply
// to derived again, looks for attributions of older settings among the conversions of
// that time, and computes those again. Every node does so, because each may have been
// the one that was late.

const (
	stalePage  = 20_000 // attributions computed again together
	staleEvery = 10 * time.Second
	staleStart = 7 * 24 * time.Hour // a node that starts looks at settings no older than that

	// deriveStart is how old settings may be, when a node starts, for it to derive facts
	// again: facts that it stored before are left to the others, and to the reconciler.
	deriveStart = 10 * time.Minute
)

// Version says from when on settings of an app apply, in milliseconds.
type Version struct {
	From       int64
	Generation uint64
}

// Versions are the settings of every app as this node knows them, oldest first,
// and a channel that is closed when it knows better.
type Versions interface {
	Versions() (map[string][]Version, <-chan struct{})
}

// due is a search for stale attributions that is repeated until a time:
// attributions that were being computed when the settings came are stored only later.
type due struct {
	version Version
	to      int64 // when the next version begins
	until   time.Time
	derive  bool // facts too, for this node has gone by older settings meanwhile
	made    int  // searches
}

// followSettings searches for stale attributions whenever settings change.
func (a *Attributor) followSettings(ctx context.Context) {
	if a.o.Versions == nil {
		return
	}
	tick := time.NewTicker(staleEvery)
	defer tick.Stop()
	known, all := make(map[string]uint64), make(map[string][]due)
	since, derive := time.Now().Add(-staleStart).UnixMilli(), time.Now().Add(-deriveStart).UnixMilli()
	for heard := false; ; heard = true { // when a node starts, the old versions were followed long ago
		versions, changed := a.o.Versions.Versions()
		until := time.Now().Add(a.o.Margin)
		for app, list := range versions {
			for i, v := range list {
				if v.Generation > known[app] && (heard || v.From >= since) {
					all[app] = append(all[app], due{version: v, to: endOf(list, i), until: until, derive: heard || v.From >= derive})
				}
				known[app] = max(known[app], v.Generation)
			}
		}
		a.searchStale(ctx, all)
		again := tick.C
		if len(all) == 0 {
			again = nil // only news matter
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

// endOf is when the version after one begins.
func endOf(list []Version, i int) int64 {
	if i+1 < len(list) {
		return list[i+1].From
	}
	return math.MaxInt64
}

// searchStale makes the searches that are due and drops those that are done.
func (a *Attributor) searchStale(ctx context.Context, all map[string][]due) {
	for app, list := range all {
		rest := list[:0]
		for i, d := range list {
			begun := time.Now()
			n, err := a.renew(ctx, app, d, !begun.Before(d.until))
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				a.metrics.failures.WithLabelValues("settings").Inc()
				a.o.Logger.Warn("search for attributions of older settings failed, it is made again", "app", app, "error", err)
			case n > 0:
				a.o.Logger.Info("attributed again by newer settings", "app", app, "generation", d.version.Generation, "conversions", n)
			}
			if err != nil {
				rest = append(rest, list[i:]...) // what failed one would fail the others
				break
			}
			d.made++
			if begun.Before(d.until) {
				rest = append(rest, d)
			}
		}
		if all[app] = rest; len(rest) == 0 {
			delete(all, app)
		}
	}
}

// deriveFirst is in how many searches facts are derived again, besides the last one.
const deriveFirst = 2

// renew derives facts and attributes conversions again that were made by older
// settings than a version's.
func (a *Attributor) renew(ctx context.Context, app string, d due, last bool) (int, error) {
	restated := 0
	if d.derive && a.o.Restate != nil && (last || d.made < deriveFirst) {
		var err error
		if restated, err = a.o.Restate(ctx, app, d.version.From, d.to); err != nil {
			return restated, err
		}
	}
	n, err := a.Resettle(ctx, app, d.version)
	return restated + n, err
}

// Resettle computes again the attributions of conversions from a version's time
// on that were made by older settings, and returns how many it wrote.
func (a *Attributor) Resettle(ctx context.Context, app string, v Version) (int, error) {
	total, after := 0, ""
	for {
		ids, err := a.o.Feed.Stale(ctx, app, v.From, v.Generation, after, stalePage)
		if err != nil || len(ids) == 0 {
			return total, err
		}
		facts := attribution.Facts{Conversions: make([]attribution.Conversion, len(ids))}
		for i, id := range ids {
			facts.Conversions[i] = attribution.Conversion{App: app, ID: id, Time: v.From}
		}
		n, err := a.Recompute(ctx, &facts)
		if err != nil {
			return total, fmt.Errorf("attribute by newer settings: %w", err)
		}
		total, after = total+n, ids[len(ids)-1]
	}
}
