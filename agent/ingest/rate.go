package ingest

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// quotas hold back a key that sends more than its share, so that others keep
// theirs.
type quotas struct {
	whole int // events that a request may have

	mu   sync.Mutex
	keys map[string]*quota
}

// quota is that of one key.
type quota struct {
	*rate.Limiter
	until atomic.Int64 // in nanoseconds: when the last refused request may come again
}

// maxUnread is how long a key is refused unread at most: a large request that
// has to wait does not keep small ones out for longer.
const maxUnread = time.Second

// maxQuotas bounds the keys that are remembered. Only keys of the directory get
// that far; it is reached when keys come and go.
const maxQuotas = 100_000

// take reports how long a key has to wait before it may send n events; 0 if it
// may now. Two seconds' worth, and always a whole request, can come at once.
func (q *quotas) take(key string, n, perSecond int, now time.Time) time.Duration {
	if perSecond <= 0 || n == 0 {
		return 0
	}
	l := q.of(key, perSecond)
	r := l.ReserveN(now, n)
	if !r.OK() {
		return time.Second
	}
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
		l.until.Store(now.Add(min(wait, maxUnread)).UnixNano())
	}
	return wait
}

// spent reports how long a key has to wait before a request of it is looked at;
// 0 if it may come now. That costs next to nothing, where to read a request and
// to refuse it then costs as much as to take it.
func (q *quotas) spent(key string, perSecond int, now time.Time) time.Duration {
	wait := time.Duration(q.of(key, perSecond).until.Load() - now.UnixNano())
	if wait > maxUnread { // the clock was set back
		return 0
	}
	return max(wait, 0)
}

// forget drops all quotas, for rules that changed.
func (q *quotas) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.keys = nil
}

func (q *quotas) of(key string, perSecond int) *quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.keys[key]
	if l == nil {
		if q.keys == nil || len(q.keys) >= maxQuotas {
			q.keys = make(map[string]*quota)
		}
		l = &quota{Limiter: rate.NewLimiter(rate.Limit(perSecond), max(2*perSecond, q.whole))}
		q.keys[key] = l
	}
	return l
}

// checkQuota refuses a request whose key has used up its quota. A touch of a
// link has no key: all of an app's count together.
func (c *call) checkQuota() *problem {
	if c.rules.EventsPerSecond <= 0 {
		return nil
	}
	n := 0
	for _, part := range c.chunks {
		n += part.count
	}
	wait := c.h.quotas.take(c.quotaKey(), n, c.rules.EventsPerSecond, c.began)
	if wait == 0 {
		return nil
	}
	c.h.metrics.refuse(n)
	return quotaProblem(c.rules.EventsPerSecond, wait)
}

// checkSpent refuses a request unread whose key has to wait.
func (c *call) checkSpent() *problem {
	if c.rules.EventsPerSecond <= 0 {
		return nil
	}
	wait := c.h.quotas.spent(c.quotaKey(), c.rules.EventsPerSecond, c.began)
	if wait == 0 {
		return nil
	}
	return quotaProblem(c.rules.EventsPerSecond, wait)
}

func (c *call) quotaKey() string {
	return c.app.ID + "/" + string(c.key.Kind) + "/" + string(c.key.Hash)
}

func quotaProblem(perSecond int, wait time.Duration) *problem {
	return &problem{status: http.StatusTooManyRequests, code: "rate_limited", retryAfter: wait,
		text: "this key sends more than " + itoa(perSecond) + " events a second to this agent; send the request again later"}
}

// addresses hold back an address that sends more requests than it may. Of an
// IPv6 address its /64 counts: whoever has one has all of it.
type addresses struct {
	mu    sync.Mutex
	known generations[int64] // when the bucket will be empty, in nanoseconds
}

const (
	maxAddresses = 32_768          // of one generation; the older of two is forgotten
	addressBurst = 2 * time.Second // worth of requests that may come at once
)

// network is the part of an address that belongs to one customer of a provider.
// It fails where there is no address, such as of a connection in memory.
func network(address netip.Addr) (netip.Prefix, error) {
	bits := 32
	if address.Is6() {
		bits = 64
	}
	return address.Prefix(bits)
}

// take reports how long an address has to wait before its next request; 0 if it
// may come now.
func (a *addresses) take(address netip.Addr, perSecond int, now time.Time) time.Duration {
	key, err := network(address)
	if err != nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	empty, _ := a.known.get(key)
	empty = max(empty, now.UnixNano())
	if over := time.Duration(empty-now.UnixNano()) - addressBurst; over >= 0 {
		return max(over, time.Millisecond)
	}
	a.known.put(key, empty+int64(time.Second)/int64(perSecond), maxAddresses)
	return 0
}

// checkAddress refuses a request of an address that sends too many. It comes
// before anything else is done for the request.
func (c *call) checkAddress() *problem {
	if c.rules.RequestsPerSecond <= 0 {
		return nil
	}
	address, err := netip.ParseAddr(c.Address())
	if err != nil {
		return nil
	}
	wait := c.h.addresses.take(address, c.rules.RequestsPerSecond, c.began)
	if wait == 0 {
		return nil
	}
	return &problem{status: http.StatusTooManyRequests, code: "address_rate_limited", retryAfter: wait,
		text: "this address sends more than " + itoa(c.rules.RequestsPerSecond) + " requests a second to this agent; send larger batches, or the request again later"}
}
