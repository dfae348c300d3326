package api

import (
	"crypto/sha256"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// How failed logins slow down. The delay belongs to an account as seen from one network, so nobody
// can lock another person out from elsewhere.
const (
	freeFailures  = 5               // before any delay
	maxDelay      = 5 * time.Minute // doubled from one second on
	forgetAfter   = time.Hour
	maxRemembered = 50_000 // accounts × networks, and networks

	// guessesPerMinute is how many secrets one network may show that nobody holds. Nobody finds one
	// that way; the bound spares the database, which is asked for each.
	guessesPerMinute = 3000

	refusalsPerSecond = 20
	refusalsBurst     = 200
)

// bucket is a token bucket.
type bucket struct {
	perSecond, burst float64

	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func newBucket(perSecond, burst float64) *bucket {
	return &bucket{perSecond: perSecond, burst: burst, tokens: burst}
}

// take takes a token, or says how long until there is one.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.IsZero() && now.After(b.last) {
		b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.perSecond)
	}
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return time.Duration((1 - b.tokens) / b.perSecond * float64(time.Second))
}

func (b *bucket) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.burst, b.tokens+1)
}

// origin is an account as it is tried from one network.
type origin struct {
	account [sha256.Size]byte // digest of what was typed, which may be a password typed in the wrong field
	network netip.Prefix
}

type failures struct {
	count int
	last  time.Time
}

// throttle slows down whoever fails to log in.
type throttle struct {
	perMinute int

	mu       sync.Mutex
	failed   map[origin]failures
	networks map[netip.Prefix]*bucket
}

func newThrottle(perMinute int) *throttle {
	return &throttle{perMinute: perMinute, failed: map[origin]failures{}, networks: map[netip.Prefix]*bucket{}}
}

func originOf(email, ip string) origin {
	o := origin{account: sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(email))))}
	if addr, err := netip.ParseAddr(ip); err == nil {
		addr = addr.Unmap().WithZone("")
		bits := 24
		if addr.Is6() {
			bits = 64
		}
		o.network, _ = addr.Prefix(bits)
	}
	return o
}

// attempt counts a login before it is tried, so that many at once count as many. It returns how long
// to wait if it may not be tried now.
func (t *throttle) attempt(o origin, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.failed[o]
	if now.Sub(f.last) > forgetAfter {
		f = failures{}
	}
	if f.count >= freeFailures {
		delay := time.Duration(min(math.Pow(2, float64(f.count-freeFailures)), maxDelay.Seconds())) * time.Second
		if wait := f.last.Add(delay).Sub(now); wait > 0 {
			return wait
		}
	}
	if wait := t.networkLocked(o.network, now).take(now); wait > 0 {
		return wait
	}
	t.makeRoomForFailure(now)
	t.failed[o] = failures{count: f.count + 1, last: now}
	return 0
}

// networkLocked is the bucket of a network.
func (t *throttle) networkLocked(prefix netip.Prefix, now time.Time) *bucket {
	network := t.networks[prefix]
	if network == nil {
		if len(t.networks) >= maxRemembered {
			clear(t.networks)
		}
		network = newBucket(float64(t.perMinute)/60, float64(t.perMinute))
		t.networks[prefix] = network
	}
	return network
}

// visit counts what belongs to no account yet. It returns how long to wait if the network has none left.
func (t *throttle) visit(ip string, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.networkLocked(originOf("", ip).network, now).take(now)
}

// forgive takes a visit back that came to a good end.
func (t *throttle) forgive(ip string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if network := t.networks[originOf("", ip).network]; network != nil {
		network.giveBack()
	}
}

// success forgets the failures, and takes the attempt back.
func (t *throttle) success(o origin) {
	t.undo(o)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.failed, o)
}

// undo takes an attempt back that neither succeeded nor failed.
func (t *throttle) undo(o origin) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, ok := t.failed[o]; ok {
		f.count--
		t.failed[o] = f
	}
	if network := t.networks[o.network]; network != nil {
		network.giveBack()
	}
}

// makeRoomForFailure forgets what is old, and everything if that frees little: an attacker with so many
// networks is not slowed down by remembering them, and must not have us look through them each time.
func (t *throttle) makeRoomForFailure(now time.Time) {
	if len(t.failed) < maxRemembered {
		return
	}
	for o, f := range t.failed {
		if now.Sub(f.last) > forgetAfter {
			delete(t.failed, o)
		}
	}
	if len(t.failed) >= maxRemembered/2 {
		clear(t.failed)
	}
}
