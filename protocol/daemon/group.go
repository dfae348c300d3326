package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// defaultStopTimeout bounds the stop of one part where the group does not say.
const defaultStopTimeout = 15 * time.Second

// Group starts parts in the order in which they were added and stops them in reverse, each only
// after the one before it has stopped. The zero value is ready to use. A Group runs once.
type Group struct {
	// Admin, if not nil, runs as the first part and stops as the last one, is told when all
	// parts have been started (its readiness checks count from then on) and when the stop begins.
	Admin *Admin
	// Log, if not nil, receives the starts and stops.
	Log *slog.Logger
	// StopTimeout bounds the stop of each part; 0 means 15 seconds.
	StopTimeout time.Duration
	// DrainDelay is how long the parts go on working after readiness was withdrawn and before the
	// first of them is stopped, so that load balancers notice.
	DrainDelay time.Duration

	parts []namedPart
}

type namedPart struct {
	name string
	part Part
}

// running is a part in its goroutine.
type running struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // may be read once done is closed

	reported bool // owned by Group.Run: the error has been told already
}

// Add appends a part. Downstream comes first: a part may use those that were added before it
// until its own Run has returned. Add must not be called after Run.
func (g *Group) Add(name string, p Part) {
	g.parts = append(g.parts, namedPart{name: name, part: p})
}

// Run starts the parts, waits until ctx ends or a part returns, and stops them all in reverse
// order. It returns nil after a clean stop. A part that fails, that returns before it was asked
// to, or that does not stop within StopTimeout is named in the error; a part that does not stop
// is left behind, because waiting for it would keep the rest from stopping.
func (g *Group) Run(ctx context.Context) error {
	log := g.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	parts := g.parts
	if g.Admin != nil {
		parts = append([]namedPart{{name: "admin", part: g.Admin}}, parts...)
	}
	ended := make(chan *running, len(parts)) // room for all: a part never blocks on its way out
	started := make([]*running, 0, len(parts))
	for _, p := range parts {
		log.Debug("part starts", "part", p.name)
		started = append(started, start(ctx, p, ended))
	}
	if g.Admin != nil {
		g.Admin.started()
	}

	early := g.wait(ctx, log, ended)
	return errors.Join(early, g.stop(log, started))
}

// start runs one part under a context that carries the values of ctx but ends only when the
// group says so.
func start(ctx context.Context, p namedPart, ended chan<- *running) *running {
	partCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{name: p.name, cancel: cancel, done: make(chan struct{})}
	go func() {
		r.err = p.part.Run(partCtx)
		close(r.done)
		ended <- r
	}()
	return r
}

// wait returns when the group has to stop: nil if it was asked to, else the reason.
func (g *Group) wait(ctx context.Context, log *slog.Logger, ended <-chan *running) error {
	var early error
	select {
	case <-ctx.Done():
		log.Info("stopping", "drain_delay", g.DrainDelay)
	case r := <-ended:
		early = r.failure()
		log.Error("part ended, stopping", "part", r.name, "error", early)
	}
	if g.Admin != nil {
		g.Admin.drain()
	}
	if early == nil && g.DrainDelay > 0 {
		select {
		case <-time.After(g.DrainDelay):
		case r := <-ended:
			early = r.failure()
		}
	}
	return early
}

// failure says why a part that nobody had asked to stop returned.
func (r *running) failure() error {
	r.reported = true
	if r.err == nil {
		return fmt.Errorf("part %s: returned before it was asked to stop", r.name)
	}
	return fmt.Errorf("part %s: %w", r.name, r.err)
}

// stop ends the parts last to first.
func (g *Group) stop(log *slog.Logger, started []*running) error {
	timeout := g.StopTimeout
	if timeout <= 0 {
		timeout = defaultStopTimeout
	}
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		begin := time.Now()
		r.cancel()
		timer := time.NewTimer(timeout)
		select {
		case <-r.done:
			log.Debug("part stopped", "part", r.name, "took", time.Since(begin))
			if r.err != nil && !r.reported && !errors.Is(r.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("stop part %s: %w", r.name, r.err))
			}
		case <-timer.C:
			errs = append(errs, fmt.Errorf("stop part %s: still running after %s", r.name, timeout))
		}
		timer.Stop()
	}
	return errors.Join(errs...)
}
