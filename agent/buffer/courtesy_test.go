package buffer

import (
	"testing"
	"time"
)

// TestReaderGivesWayToLiveTraffic reads a backlog for two seconds at what pace it may.
func TestReaderGivesWayToLiveTraffic(t *testing.T) {
	const block = 200 << 10
	for name, c := range map[string]struct {
		live        int64 // bytes a second
		least, most int64
	}{
		"nothing arrives":   {0, 1 << 40, 1 << 50},
		"little arrives":    {1 << 20, gentleRate * 9 / 10, gentleRate * 11 / 10},
		"very much arrives": {100 << 20, 380 << 20, 440 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var y courtesy
			start := time.Unix(1_800_000_000, 0)
			now, read := start, int64(0)
			came := start
			for n := 0; now.Sub(start) < 3*time.Second; n++ {
				for c.live > 0 && !came.After(now) {
					y.came(came, c.live/100)
					came = came.Add(10 * time.Millisecond)
				}
				wait := y.gave(now, block)
				if now.Sub(start) >= 2*time.Second {
					read += block
				}
				if wait == 0 && c.live == 0 && n == 1000 {
					return // never made to wait
				}
				now = now.Add(max(wait, time.Microsecond))
			}
			if read < c.least || read > c.most {
				t.Errorf("%d bytes a second were read, %d to %d are right", read, c.least, c.most)
			}
		})
	}
}
