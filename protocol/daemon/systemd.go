package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	readyPoll = 200 * time.Millisecond // how often readiness is asked until systemd is told
	// extendBy is how much more time is asked for at once, of starts and stops that take long. It
	// is asked for again well before it is over.
	extendBy    = 30 * time.Second
	extendEvery = 10 * time.Second
	// knockTimeout bounds the request that a process sends to itself before it keeps the watchdog
	// quiet.
	knockTimeout = 5 * time.Second
)

// supervisor is systemd, as sd_notify(3) knows it. Telling it is a courtesy: one that does not
// listen must not keep the process from working, so errors are dropped.
type supervisor struct {
	socket string // NOTIFY_SOCKET; empty: nobody is told
	ending atomic.Bool
}

// run tells systemd until ctx ends: EXTEND_TIMEOUT while the process starts, READY once all checks
// have passed, WATCHDOG at half of the unit's WatchdogSec.
func (s *supervisor) run(ctx context.Context, a *Admin) {
	if s.socket == "" {
		return
	}
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	extend := time.NewTicker(extendEvery)
	defer extend.Stop()
	var dog <-chan time.Time
	if every := watchdogPeriod(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"), os.Getpid()); every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		dog = ticker.C
	}
	ready := false
	s.extend()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			if ready {
				continue
			}
			if _, ready = a.Ready(ctx, ""); ready {
				s.tell("READY=1\nSTATUS=ready")
			}
		case <-extend.C:
			if !ready || s.ending.Load() {
				s.extend()
			}
		case <-dog:
			if knock(ctx, a.Addr()) == nil {
				s.tell("WATCHDOG=1")
			}
		}
	}
}

// watchdogPeriod is how often systemd wants to hear, half of its limit; 0 if it does not, or wants
// to hear it from another process.
func watchdogPeriod(usec, pid string, self int) time.Duration {
	if pid != "" && pid != strconv.Itoa(self) {
		return 0
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(24*time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(n) * time.Microsecond / 2
}

// knock asks the process for its own health: whoever answers has goroutines that run and a
// listener that accepts.
func knock(ctx context.Context, addr net.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, knockTimeout)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/healthz", nil)
	if err != nil {
		return fmt.Errorf("ask for own health: %w", err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask for own health: %w", err)
	}
	return resp.Body.Close()
}

// stopping tells that the process stops, and asks for the time that this takes.
func (s *supervisor) stopping() {
	s.ending.Store(true)
	s.tell("STOPPING=1")
	s.extend()
}

func (s *supervisor) extend() { s.tell(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extendBy.Microseconds())) }

// tell sends one message.
func (s *supervisor) tell(state string) {
	if s.socket == "" {
		return
	}
	name := s.socket
	if name[0] == '@' { // Linux's abstract name space
		name = "\x00" + name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(state))
}
