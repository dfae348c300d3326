package deliveries

import (
	"sync"
	"time"
)

// Bounds of the circuit breaker.
const (
	tripAfter = 10 // failures in a row
	tripFor   = 30 * time.Second
	busyFor   = time.Second
)

// breaker leaves a host alone that fails again and again, and bounds how many tries to one host are
// under way. Each node has its own: it spares hosts and slots, and decides nothing about a delivery.
type breaker struct {
	mu    sync.Mutex
	hosts map[string]*hostState
}

type hostState struct {
	underway int
	failed   int
	until    time.Time
}

func newBreaker() *breaker { return &breaker{hosts: make(map[string]*hostState)} }

// enter lets a try through, or says how long to wait. After a pause one try is let through; the others
// wait for its outcome. Whoever is let through must leave.
func (b *breaker) enter(host string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if h == nil {
		h = &hostState{}
		b.hosts[host] = h
	}
	if h.underway >= atOneHost {
		return busyFor
	}
	if h.failed >= tripAfter {
		if left := h.until.Sub(now); left > 0 {
			return left
		}
		h.until = now.Add(tripFor)
	}
	h.underway++
	return 0
}

func (b *breaker) leave(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if h.underway--; h.underway == 0 && h.failed == 0 {
		delete(b.hosts, host)
	}
}

// saw counts the outcome of a try that is under way.
func (b *breaker) saw(host string, failed bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if !failed {
		h.failed = 0
		return
	}
	if h.failed++; h.failed >= tripAfter {
		h.until = now.Add(tripFor)
	}
}
