package node

import (
	"fmt"
	"log/slog"
	"sync/atomic"
)

// diskGuard has events wait at their agents while a disk of ClickHouse is nearly
// full: merges need room, and a ClickHouse without any stores nothing and
// cannot be tidied up.
type diskGuard struct {
	fullest func() (disk string, used float64)
	limit   float64 // part of the disk; 1 never holds
	log     *slog.Logger
	holds   atomic.Bool
}

// guardGap is how much must have come free before events are taken again, so that the
// guard does not flutter.
const guardGap = 0.01

// held says why events are to wait, "" if they are not.
func (g *diskGuard) held() string {
	if g.limit >= 1 {
		return ""
	}
	disk, used := g.fullest()
	limit := g.limit
	if g.holds.Load() {
		limit -= guardGap
	}
	if used < limit {
		if g.holds.CompareAndSwap(true, false) {
			g.log.Warn("events are taken again: there is room on ClickHouse's disk", "disk", disk, "used_percent", int(100*used))
		}
		return ""
	}
	if g.holds.CompareAndSwap(false, true) {
		g.log.Error("events wait at the agents: a disk of ClickHouse is nearly full; free or add space, or shorten the retention",
			"disk", disk, "used_percent", int(100*used), "disk_guard", int(100*g.limit))
	}
	return fmt.Sprintf("ClickHouse's disk %s is %d%% full", disk, int(100*used))
}
