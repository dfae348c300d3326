package recompute

import (
	"context"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Run recomputes until the context ends. Nothing that fails stops it: the sweep
// tries again.
func (a *Attributor) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { a.follow(ctx, a.queue.conversions, a.queue.takeConversions) })
	wg.Go(func() { a.follow(ctx, a.queue.others, a.queue.takeOthers) })
	wg.Go(func() { a.sweepLoop(ctx) })
	wg.Go(func() { a.followSettings(ctx) })
	wg.Wait()
	return nil
}

// follow is the fast path: it recomputes what hints name, many together when
// they come faster than they are done.
func (a *Attributor) follow(ctx context.Context, ready <-chan struct{}, take func(limit int) attribution.Facts) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ready:
		}
		facts := take(queueFacts)
		a.dropKnownLinks(&facts)
		if size(&facts) == 0 {
			continue
		}
		if _, err := a.Recompute(ctx, &facts); err != nil {
			if ctx.Err() == nil {
				a.metrics.failures.WithLabelValues("hint").Inc()
				a.o.Logger.Warn("attribution of new facts failed, the sweep will find them", "error", err, "facts", size(&facts))
			}
			continue
		}
		a.done.add(fingerprints(&facts))
	}
}

// dropKnownLinks leaves out links that were followed before. Every event with
// two ids states one, and nearly always it is known.
func (a *Attributor) dropKnownLinks(f *attribution.Facts) {
	fresh := f.Links[:0]
	for _, l := range f.Links {
		if !a.done.knows(linkPrint(&l), l.Received) {
			fresh = append(fresh, l)
		}
	}
	f.Links = fresh
}

// Period is how long the watermark stands still between two full sweeps when all
// is well.
func (a *Attributor) Period() time.Duration { return fullEvery * a.o.SweepEvery }

func (a *Attributor) sweepLoop(ctx context.Context) {
	ticker := time.NewTicker(a.o.SweepEvery)
	defer ticker.Stop()
	for {
		begun := time.Now()
		sweep := a.sweepYoung
		if a.sweeps%fullEvery == 0 {
			sweep = a.Sweep
		}
		err := sweep(ctx)
		if err == nil {
			a.sweeps++ // a full sweep that failed is tried again at once
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.metrics.failures.WithLabelValues("sweep").Inc()
			a.o.Logger.Warn("sweep of attributions failed, it is tried again", "error", err)
		}
		a.metrics.sweep.Observe(time.Since(begun).Seconds())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
