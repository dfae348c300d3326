package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// The cell agent/cutoff: the events that an agent meets at liveRate while it is cut off for an hour are put
// into its buffer as fast as it takes them. Then an aggregator is there again, and so is live traffic.
const (
	liveRate     = 5000 // events a second
	liveRequest  = 20   // of them in one request
	liveSeconds  = 10   // without a backlog
	drainTimeout = 3 * time.Minute
)

func (s *suite) cutoffTrial(ctx context.Context, dir string, t *trial) (err error) {
	ca, err := newAuthority(time.Now())
	if err != nil {
		return err
	}
	if err := prepareAgent(dir, ca); err != nil {
		return fmt.Errorf("prepare agent: %w", err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer conn.Close()
	server, err := launchAgent(ctx, s.program, dir, conn.LocalAddr().String())
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, server.program.Stop()) }()
	live := &load{server: server.address, templates: templates(liveRequest, pool, writeKey, time.Now()), connections: 32,
		rate: float64(liveRate) / liveRequest, warmup: time.Second, duration: liveSeconds * time.Second}
	quiet, err := s.connected(ctx, conn, ca, live)
	if err != nil {
		return err
	}
	asked, err := s.fillCutOff(ctx, server, t)
	if err != nil {
		return err
	}
	live.duration, live.next = drainTimeout, 1<<50
	under, err := s.drainLive(ctx, server, conn, ca, live, t)
	if err != nil {
		return err
	}
	peak, err := server.peak()
	t.PeakMB = float64(peak>>10) / 1024
	t.LivePerSecond = liveRate
	t.compare(quiet, under)
	t.Note = fmt.Sprintf("%s events, what comes in %.0f minutes at %d a second, were put in as fast as the agent takes them, 500 a request; %d redirects and pixels of links were asked for meanwhile and answered; then a sink on the same two cores takes them over QUIC while %d events/s arrive, %d a request",
		group(float64(t.Backlog)), float64(t.Backlog)/liveRate/60, liveRate, asked, liveRate, liveRequest)
	return err
}

// connected measures live traffic that a sink takes as it comes.
func (s *suite) connected(ctx context.Context, conn net.PacketConn, ca *authority, live *load) (*outcome, error) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	var k sink
	var parts errgroup.Group
	parts.Go(func() error { return k.serve(serving, conn, ca) })
	o, err := live.run(ctx, func() {})
	stop()
	_ = parts.Wait() // ends with ctx, which says nothing new
	if err == nil && k.events.Load() == 0 {
		err = fmt.Errorf("no event reached the sink: the agent is not connected")
	}
	return o, err
}

// fillCutOff gives the agent its backlog, and asks for links meanwhile.
func (s *suite) fillCutOff(ctx context.Context, server *server, t *trial) (asked int, err error) {
	fill := &load{server: server.address, templates: templates(500, pool, writeKey, time.Now()), connections: 32, duration: time.Second, next: 1 << 40}
	var waiting shipment
	for began := time.Now(); time.Since(began) < fillTimeout; fill.next += 1 << 32 {
		o, err := fill.run(ctx, func() {})
		if err != nil {
			return asked, err
		}
		if o.requests == 0 {
			return asked, fmt.Errorf("not one request was taken: %.300q", o.failure)
		}
		for path, status := range map[string]int{"/c/bench": http.StatusFound, "/i/bench": http.StatusOK} {
			if err := server.expect(ctx, path, status); err != nil {
				return asked, fmt.Errorf("while cut off: %w", err)
			}
			asked++
		}
		if err := server.backlog(ctx, &waiting); err != nil {
			return asked, err
		}
		if t.Backlog = waiting.Events; t.Backlog >= int64(s.cutoffEvents) {
			break
		}
	}
	return asked, nil
}

// drainLive lets a sink take the backlog while live traffic goes on, and says how that fared.
func (s *suite) drainLive(ctx context.Context, server *server, conn net.PacketConn, ca *authority, live *load, t *trial) (*outcome, error) {
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	serving, stop := context.WithTimeout(ctx, drainTimeout)
	defer stop()
	var k sink
	var under *outcome
	var parts errgroup.Group
	parts.Go(func() error { return k.serve(serving, conn, ca) })
	// Live traffic begins with the first block: an agent that has given up for a while comes back on its own time.
	if !await(serving, func() bool { return k.events.Load() > 0 }) {
		return nil, fmt.Errorf("the agent has not come back within %s", drainTimeout)
	}
	living, enough := context.WithCancel(serving)
	defer enough()
	var clients errgroup.Group
	clients.Go(func() (err error) { under, err = live.until(living); return err })
	done := await(serving, func() bool { return k.events.Load() >= t.Backlog })
	enough()
	err := clients.Wait()
	stop()
	_ = parts.Wait() // ends with ctx, which says nothing new
	switch {
	case err != nil:
		return nil, err
	case !done:
		return nil, fmt.Errorf("%d of %d events were handed over within %s", k.events.Load(), t.Backlog, drainTimeout)
	}
	// Blocks leave in the order in which they came: live ones are behind the backlog.
	t.DrainPerSecond = float64(t.Backlog) / time.Duration(k.last.Load()-k.first.Load()).Seconds()
	t.DrainRatio = t.DrainPerSecond / liveRate
	return under, nil
}

// await looks again and again until something is so.
func await(ctx context.Context, so func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
