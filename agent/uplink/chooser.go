package uplink

import (
	"math/rand/v2"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 10 * time.Second
	// settled is how long a session must have lasted to count as good although
	// nothing was acknowledged in it.
	settled = 10 * time.Second
	// maxAddresses bounds the record of addresses that failed.
	maxAddresses = 256
)

// backoff is the pause after n failures in a row: doubling, with half of it
// drawn at random, so that agents do not come back in step.
func backoff(n int) time.Duration {
	d := backoffMin
	for ; n > 1 && d < backoffMax; n-- {
		d *= 2
	}
	d = min(d, backoffMax)
	return d/2 + rand.N(d/2+1)
}

// chooser picks the aggregator to try next: the nearest that does not drain
// and has not failed lately. Owned by Uplink.Run.
type chooser struct {
	configured   []string
	region, zone string
	pause        func(failures int) time.Duration
	failed       map[string]failure
}

type failure struct {
	times int
	until time.Time // not to be tried before
}

func newChooser(o Options) *chooser {
	return &chooser{configured: o.Aggregators, region: o.Region, zone: o.Zone, pause: o.backoff, failed: map[string]failure{}}
}

// candidate is an address with how much it is wanted: lower is better.
type candidate struct {
	address string
	rank    int
}

// The ranks. A draining aggregator is still better than none.
const (
	rankZone = iota
	rankRegion
	rankUnknown
	rankFar
	rankDraining
)

func (c *chooser) candidates(members []protocol.Member) []candidate {
	seen := map[string]bool{}
	var list []candidate
	for _, m := range members {
		if m.Address == "" || seen[m.Address] {
			continue
		}
		seen[m.Address] = true
		rank := rankFar
		switch {
		case m.Draining:
			rank = rankDraining
		case m.Region != "" && m.Region == c.region && m.Zone != "" && m.Zone == c.zone:
			rank = rankZone
		case m.Region != "" && m.Region == c.region:
			rank = rankRegion
		}
		list = append(list, candidate{m.Address, rank})
	}
	for _, a := range c.configured {
		if !seen[a] {
			seen[a] = true
			list = append(list, candidate{a, rankUnknown})
		}
	}
	return list
}

// next returns the address to try now, or how long to wait before asking
// again.
func (c *chooser) next(now time.Time, members []protocol.Member) (address string, wait time.Duration) {
	best, ties, wait := rankDraining+1, 0, backoffMax
	for _, k := range c.candidates(members) {
		if d := c.failed[k.address].until.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		switch {
		case k.rank < best:
			address, best, ties = k.address, k.rank, 1
		case k.rank == best: // an even draw among equals
			if ties++; rand.IntN(ties) == 0 {
				address = k.address
			}
		}
	}
	if address != "" {
		return address, 0
	}
	return "", wait
}

// ended notes how a session with address went and returns for how long the
// address is left alone.
func (c *chooser) ended(address string, now time.Time, o outcome) time.Duration {
	f := c.failed[address]
	if o.stored > 0 || o.lasted >= settled {
		f.times = 0
	}
	f.times++
	pause := c.pause(f.times)
	if o.refused || o.drained {
		pause = max(pause, c.pause(64))
	}
	f.until = now.Add(pause)
	if len(c.failed) >= maxAddresses {
		clear(c.failed) // members come and go; forgetting costs one early attempt
	}
	c.failed[address] = f
	return pause
}
