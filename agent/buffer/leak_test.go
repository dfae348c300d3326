package buffer

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// A segment that is gone leaves nothing behind: no goroutine of Badger's, no
// open file, no mapping.
func TestSegmentsLeaveNothingBehind(t *testing.T) {
	o := testOptions(t)
	o.segmentBytes, o.RetentionBytes, o.sweepEvery = 1, 1, 10*time.Millisecond
	q := open(t, o)
	round := func(n int) {
		for i := range n {
			mustAppend(t, q, event(fmt.Sprint(i)), 1)
		}
		drain(t, q, func(seq uint64, _ []protocol.Event) {
			if err := q.Forget(seq); err != nil {
				t.Error(err)
			}
		})
	}
	round(20)
	goroutines, files, maps := usage(t)
	round(60)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		g, f, m := usage(t)
		if g <= goroutines+30 && f <= files+15 && m <= maps+15 { // some segments more may be open for the moment
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("goroutines %d → %d, files %d → %d, mappings %d → %d", goroutines, g, files, f, maps, m)
		}
	}
}

func usage(t *testing.T) (goroutines, files, maps int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	for _, c := range text {
		if c == '\n' {
			maps++
		}
	}
	return runtime.NumGoroutine(), len(fds), maps
}
