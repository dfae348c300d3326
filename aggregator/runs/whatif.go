package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// WhatIfParameters say what to attribute again, and under which settings.
type WhatIfParameters struct {
	Span
	Settings attribution.Settings `json:"settings"`
}

// pageSize is how many conversions are attributed at once: what each of them costs the database
// shrinks with it.
const pageSize = 40_000

// Simulation attributes conversions under other settings, beside the stored attributions.
type Simulation interface {
	RewriteRead(ctx context.Context, app string, page []attribution.Conversion) (int, error)
	Effect(ctx context.Context) (report.EffectResult, error)
}

// Simulator begins simulations, or goes on with those of the same run, and lists the
// conversions of a range in order.
type Simulator interface {
	Derivable
	Simulate(ctx context.Context, app, run string, settings attribution.Settings) (Simulation, error)
	ConversionsAfter(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) ([]attribution.Conversion, attribution.Cursor, bool, error)
}

// Simulate does runs of the kind WhatIf.
func Simulate(simulator Simulator) Kind {
	return func(ctx context.Context, job apps.Job, progress Progress) (any, error) {
		var p WhatIfParameters
		if err := parameters(job, &p); err != nil {
			return nil, err
		}
		simulation, err := simulator.Simulate(ctx, job.App, job.ID, p.Settings)
		if err != nil {
			return nil, err
		}
		from, to := p.From.UnixMilli(), p.To.UnixMilli()
		at, err := begin(job.Mark, from)
		if err != nil {
			return nil, err
		}
		read := func(ctx context.Context, after attribution.Cursor) (p page, err error) {
			p.conversions, p.end, p.more, err = simulator.ConversionsAfter(ctx, job.App, after, to, pageSize)
			return p, err
		}
		current, err := read(ctx, at)
		for err == nil && current.more {
			var next page
			both, within := errgroup.WithContext(ctx)
			both.Go(func() (err error) {
				next, err = read(within, current.end)
				return err
			})
			both.Go(func() error {
				_, err := simulation.RewriteRead(within, job.App, Listed(current.conversions, &p.Settings))
				return err
			})
			if err := errors.Join(both.Wait(), ctx.Err()); err != nil {
				return nil, err
			}
			mark, err := json.Marshal(current.end)
			if err != nil {
				return nil, fmt.Errorf("encode mark: %w", err)
			}
			// By time, for how many there are is not known; the rest is the comparison.
			progress(0.9*float64(current.end.Time-from)/float64(max(to-from, 1)), string(mark))
			current = next
		}
		if err == nil {
			err = Derived(ctx, simulator, job.App, [2]int64{from, to}, &p.Settings, func(page []attribution.Conversion) error {
				_, err := simulation.RewriteRead(ctx, job.App, page)
				return err
			})
		}
		if err != nil {
			return nil, err
		}
		return simulation.Effect(ctx)
	}
}

// page is a part of a range.
type page struct {
	conversions []attribution.Conversion
	end         attribution.Cursor
	more        bool // there may be others after it; without, it is empty itself
}

// begin is where a run goes on.
func begin(mark string, from int64) (attribution.Cursor, error) {
	at := attribution.Cursor{Time: from}
	if mark == "" {
		return at, nil
	}
	if err := json.Unmarshal([]byte(mark), &at); err != nil {
		return at, fmt.Errorf("read mark: %w", err)
	}
	return at, nil
}
