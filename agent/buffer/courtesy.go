package buffer

import "time"

// courtesy makes the reader of a backlog give way to what arrives. Shipping takes
// all processors if it may, and clients who wait for their 200 would wait several
// times as long; nobody waits for the backlog.
type courtesy struct {
	since    time.Time // when the present second began
	in, last int64     // bytes of blocks that came in it, and in the one before
	next     time.Time // when the reader may have another block
}

// A reader beside live traffic gets gentleRate bytes of blocks a second, some
// 200,000 events, or gentleTimes what arrives, if that is more.
const (
	gentleRate  = 32 << 20
	gentleTimes = 4
)

func (c *courtesy) turn(now time.Time) {
	switch age := now.Sub(c.since); {
	case age >= 2*time.Second || age < 0:
		c.since, c.in, c.last = now, 0, 0
	case age >= time.Second:
		c.since, c.in, c.last = now, 0, c.in
	}
}

// came notes a block that was committed.
func (c *courtesy) came(now time.Time, bytes int64) {
	c.turn(now)
	c.in += bytes
}

// gave notes a block that was read, and says how long the reader is to wait
// before it has it. Nothing is waited for while nothing arrives.
func (c *courtesy) gave(now time.Time, bytes int64) time.Duration {
	c.turn(now)
	live := max(c.in, c.last)
	if live == 0 {
		c.next = now
		return 0
	}
	wait := max(c.next.Sub(now), 0)
	rate := max(gentleRate, gentleTimes*live)
	c.next = now.Add(wait + time.Duration(float64(bytes)/float64(rate)*float64(time.Second)))
	return wait
}
