package runs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// WhatIfParameters say what to attribute again, and under which settings.
type WhatIfParameters struct {
	Span
	Settings attribution.Settings `json:"settings"`
}

// pageSize is how many conversions are attributed at once.
const pageSize = 20_000

// Simulation attributes conversions under other settings, beside what is stored.
type Simulation interface {
	RewriteRead(ctx context.Context, app string, page []attribution.Conversion) (int, error)
	Effect(ctx context.Context) (report.EffectResult, error)
}

// Simulator begins simulations, or goes on with those of the same run, and lists the
// conversions of a range in order.
type Simulator interface {
	Simulate(ctx context.Context, app, run string, settings attribution.Settings) (Simulation, error)
	ConversionsAfter(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) ([]attribution.Conversion, attribution.Cursor, bool, error)
}

// Simulate does runs of the kind WhatIf.
func Simulate(simulator Simulator) Kind {
	return func(ctx context.Context, job accounts.Job, progress Progress) (any, error) {
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
		for {
			page, next, more, err := simulator.ConversionsAfter(ctx, job.App, at, to, pageSize)
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
			if _, err := simulation.RewriteRead(ctx, job.App, page); err != nil {
				return nil, err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			at = next
			mark, err := json.Marshal(at)
			if err != nil {
				return nil, fmt.Errorf("encode mark: %w", err)
			}
			// By time, for how many there are is not known; the rest is the comparison.
			progress(0.9*float64(at.Time-from)/float64(max(to-from, 1)), string(mark))
		}
		return simulation.Effect(ctx)
	}
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
