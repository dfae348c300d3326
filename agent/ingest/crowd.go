package ingest

import (
	"net/netip"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// A click is of a crowd if at least crowdClicks others of its address came to this
// agent in the crowdWindow that ends with it. The aggregators only mark such a
// click, if an app wants no more: an address may be that of many people.
const (
	crowdClicks = 10
	crowdWindow = time.Minute
	maxCrowds   = 16_384 // addresses of one generation; the older of two is forgotten
)

// crowds remember the latest clicks of addresses. Of an IPv6 address its /64
// counts.
type crowds struct {
	mu    sync.Mutex
	known generations[*latest]
}

// latest are the times of an address's latest clicks, in milliseconds.
type latest struct {
	times [crowdClicks]int64
	next  int // the eldest, which the next one replaces
}

// click reports whether a click, the latest of an address, is of a crowd.
func (c *crowds) click(address netip.Addr, now time.Time) bool {
	key, err := network(address)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.known.get(key)
	if !ok {
		l = new(latest)
	}
	c.known.put(key, l, maxCrowds)
	eldest := l.times[l.next]
	l.times[l.next] = now.UnixMilli()
	l.next = (l.next + 1) % crowdClicks
	return eldest > 0 && now.UnixMilli()-eldest < crowdWindow.Milliseconds()
}

// watchClicks marks a click of an address that clicks more often than people do.
// It comes before the app's policy on addresses.
func (c *call) watchClicks(e *protocol.Event) {
	address, err := netip.ParseAddr(e.IP)
	if e.Kind == protocol.KindClick && err == nil && c.h.crowds.click(address.Unmap().WithZone(""), c.began) {
		e.Flags |= protocol.FlagCrowd
	}
}
