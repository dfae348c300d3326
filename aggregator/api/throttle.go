package api

import (
	"crypto/sha256"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
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

// take takes a token, or says how long until there is one.
func take(bucket *rate.Limiter, now time.Time) (wait time.Duration) {
	r := bucket.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// giveBack undoes a take: to use less than nothing adds a token, never more than the burst.
func giveBack(bucket *rate.Limiter, now time.Time) { bucket.AllowN(now, -1) }

// origin is an account as it is tried from one network.
type origin struct {
	account [sha256.Size]byte // digest of the typed name, which may be a password typed in the wrong field
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
	networks map[netip.Prefix]*rate.Limiter
}

func newThrottle(perMinute int) *throttle {
	return &throttle{perMinute: perMinute, failed: map[origin]failures{}, networks: map[netip.Prefix]*rate.Limiter{}}
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
	if wait := take(t.networkLocked(o.network, now), now); wait > 0 {
		return wait
	}
	t.makeRoomForFailure(now)
	t.failed[o] = failures{count: f.count + 1, last: now}
	return 0
}

// networkLocked is the bucket of a network.
func (t *throttle) networkLocked(prefix netip.Prefix, now time.Time) *rate.Limiter {
	network := t.networks[prefix]
	if network == nil {
		if len(t.networks) >= maxRemembered {
			clear(t.networks)
		}
		network = rate.NewLimiter(rate.Limit(t.perMinute)/60, t.perMinute)
		t.networks[prefix] = network
	}
	return network
}

// visit counts what belongs to no account yet. It returns how long to wait if the network has none left.
func (t *throttle) visit(ip string, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return take(t.networkLocked(originOf("", ip).network, now), now)
}

// forgive takes a visit back that came to a good end.
func (t *throttle) forgive(ip string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if network := t.networks[originOf("", ip).network]; network != nil {
		giveBack(network, now)
	}
}

// success forgets the failures, and takes the attempt back.
func (t *throttle) success(o origin, now time.Time) {
	t.undo(o, now)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.failed, o)
}

// undo takes an attempt back that neither succeeded nor failed.
func (t *throttle) undo(o origin, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, ok := t.failed[o]; ok {
		f.count--
		t.failed[o] = f
	}
	if network := t.networks[o.network]; network != nil {
		giveBack(network, now)
	}
}

// makeRoomForFailure forgets old failures, and everything if that frees little: an attacker with so many
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
