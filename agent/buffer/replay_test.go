package buffer

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestRetentionAndReplay(t *testing.T) {
	o := testOptions(t)
	now := time.UnixMilli(1_760_000_000_000)
	var mu sync.Mutex
	o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	forward := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	o.sweepEvery = time.Hour
	q := open(t, o)
	for i := range 6 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
		_, _, _ = q.Next(t.Context(), uint64(i))
		_ = q.Forget(uint64(i + 1))
		forward(time.Hour)
	}
	if s := q.Stats(); s.QueuedBlocks != 0 || s.KeptBlocks != 6 {
		t.Fatalf("stats %+v", s)
	}
	since := time.UnixMilli(1_760_000_000_000).Add(4 * time.Hour).UnixMilli()
	r, err := q.Replay(since, "r1")
	if err != nil || r.Blocks != 2 || r.Events != 2 || r.MissingBlocks != 0 || r.Unknown {
		t.Fatalf("replay: %+v: %v", r, err)
	}
	if err := q.Close(); err != nil { // a restart does not end the replay
		t.Fatal(err)
	}
	q = open(t, o)
	if id, left := q.Replaying(); id != "r1" || left != 2 {
		t.Fatalf("%s has %d blocks left", id, left)
	}
	if again, err := q.Replay(since, "r1"); err != nil || again != r || q.Stats().QueuedBlocks != 2 {
		t.Fatalf("asked for once more: %+v: %v", again, err)
	}
	var again []string
	drain(t, q, func(seq uint64, list []protocol.Event) {
		again = append(again, list[0].ID)
		if err := q.Forget(seq); err != nil {
			t.Error(err)
		}
	})
	if fmt.Sprint(again) != "[4 5]" {
		t.Fatalf("replayed %v", again)
	}
	forward(23 * time.Hour)
	if _, err := q.sweepOnce(saved{}); err != nil {
		t.Fatal(err)
	}
	if s := q.Stats(); s.KeptBlocks != 2 {
		t.Fatalf("after a day %d blocks are kept, want the 2 replayed ones", s.KeptBlocks)
	}
	if id, left := q.Replaying(); id != "r1" || left != 0 {
		t.Fatalf("%s has %d blocks left", id, left)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, o)
	// Deleted blocks are told exactly: 1 to 4, and 3 of them were acknowledged after the first hour.
	r, err = q.Replay(time.UnixMilli(1_760_000_000_000).Add(time.Hour).UnixMilli(), "r2")
	if err != nil || r.Blocks != 2 || r.MissingBlocks != 3 || r.MissingEvents != 3 || r.Unknown || r.MissingUntil != time.UnixMilli(1_760_000_000_000).Add(3*time.Hour).UnixMilli() {
		t.Fatalf("replay: %+v: %v", r, err)
	}
	for seq := uint64(1); seq <= 6; seq++ {
		if _, _, err := q.read(seq); (err == nil) != (seq > 4) {
			t.Errorf("block %d: %v", seq, err)
		}
	}
}
