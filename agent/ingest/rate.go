package ingest

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// quotas hold back an app that sends more than its share, so that others keep
// theirs. There are as many as apps whose keys are known.
type quotas struct {
	perSecond int // events; 0 is no limit

	mu   sync.Mutex
	apps map[string]*rate.Limiter
}

// take reports how long an app has to wait before it may send n events; 0 if it
// may now. Two seconds' worth, and always a whole request, can come at once.
func (q *quotas) take(app string, n int, now time.Time) time.Duration {
	if q.perSecond <= 0 || n == 0 {
		return 0
	}
	r := q.limiter(app).ReserveN(now, n)
	if !r.OK() {
		return time.Second
	}
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

func (q *quotas) limiter(app string) *rate.Limiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.apps[app]
	if l == nil {
		if q.apps == nil {
			q.apps = make(map[string]*rate.Limiter)
		}
		l = rate.NewLimiter(rate.Limit(q.perSecond), max(2*q.perSecond, protocol.MaxBlockEvents))
		q.apps[app] = l
	}
	return l
}

// checkQuota refuses a request whose app has used up its quota.
func (c *call) checkQuota() *problem {
	n := 0
	for _, part := range c.chunks {
		n += part.count
	}
	wait := c.h.quotas.take(c.app.ID, n, c.began)
	if wait == 0 {
		return nil
	}
	c.h.metrics.refuse(n)
	return &problem{status: http.StatusTooManyRequests, code: "rate_limited", retryAfter: wait,
		text: "this app sends more than " + itoa(c.h.quotas.perSecond) + " events a second to this agent; send the request again later"}
}
