package daemon

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Periodic is a part that does the same work again and again: at once when it starts, then Every
// after the last run ended. Runs never overlap; a slow run delays the next one and nothing piles up.
type Periodic struct {
	Name  string        // names the work in the log
	Every time.Duration // the pause between two runs; must be positive
	// Jitter spreads each pause evenly over Every ± Jitter×Every (0 to 1), so that many nodes do
	// not act in step.
	Jitter float64
	// Do is one run. An error is logged and does not end the part. Its context ends with the
	// part's.
	Do func(ctx context.Context) error
	// Log receives the errors of Do; nil discards them.
	Log *slog.Logger
}

// Run does the work until ctx ends, then returns nil.
func (p Periodic) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := p.Do(ctx); err != nil && ctx.Err() == nil && p.Log != nil {
			p.Log.Error("periodic work failed", "work", p.Name, "error", err)
		}
		timer.Reset(p.pause())
	}
}

// Sleep waits for d, or until ctx ends, and returns then why it did.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p Periodic) pause() time.Duration {
	spread := (2*rand.Float64() - 1) * min(max(p.Jitter, 0), 1)
	return max(time.Duration(float64(p.Every)*(1+spread)), time.Millisecond)
}
