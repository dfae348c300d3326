package buffer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestFullDiskRefusesAndDrains fills a real disk of 64 MB from many sides. That
// must end in refusals, not in a crash where Badger writes through memory maps;
// nothing that was stored may be missing, and space must come back with use.
func TestFullDiskRefusesAndDrains(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a disk needs root")
	}
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			mountDisk(t, kind, dir)
			fillAndDrain(t, dir)
		})
	}
}

// TestDiskFilledByOthersRefusesAndResumes has another process take every byte of the
// disk, at once and without regard for the room that must stay free. Nothing crashes,
// the refusal says why, every acknowledged event is there, also for a queue that
// starts meanwhile, and events are taken again when there is room.
func TestDiskFilledByOthersRefusesAndResumes(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a disk needs root")
	}
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			mountDisk(t, kind, dir)
			o := Options{Dir: filepath.Join(dir, "buffer"), BallastBytes: -1, MinFree: 1, QuotaBytes: 1 << 30, segmentBytes: 1 << 20, sweepEvery: 10 * time.Millisecond}
			q := open(t, o)
			stored := 0
			fill := func() *FullError {
				for i := 0; ; i++ {
					_, err := q.Append(t.Context(), noise(fmt.Sprint(stored), 30_000), 1)
					if full := new(FullError); errors.As(err, &full) {
						return full
					} else if err != nil {
						t.Fatal(err)
					}
					if stored++; i == 10 {
						fillDisk(t, filepath.Join(dir, "of another process"))
					}
				}
			}
			for round := range 2 {
				full := fill()
				if !strings.Contains(full.Reason, "the disk has") || q.Healthy() != nil {
					t.Fatalf("round %d: %v, %v", round, full, q.Healthy())
				}
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
				q = open(t, o) // on the full disk
				if s := q.Stats(); s.QueuedBlocks != int64(stored) || s.Lost != 0 {
					t.Fatalf("round %d: %d stored, %+v", round, stored, s)
				}
				if err := os.Remove(filepath.Join(dir, "of another process")); err != nil {
					t.Fatal(err)
				}
				waitForSpace(t, q)
				awaitAppend(t, q, noise(fmt.Sprint(stored), 30_000))
				stored++
			}
			n := 0
			drain(t, q, func(uint64, []protocol.Event) { n++ })
			if n != stored {
				t.Fatalf("%d events of %d", n, stored)
			}
		})
	}
}

// fillDisk writes until there is no byte left.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
}

// awaitAppend appends until the queue takes it.
func awaitAppend(t *testing.T, q *Queue, encoded []byte) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		_, err := q.Append(t.Context(), encoded, 1)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func mountDisk(t *testing.T, kind, dir string) {
	t.Helper()
	var err error
	var out []byte
	if kind == "tmpfs" {
		out, err = exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", dir).CombinedOutput()
	} else {
		image := filepath.Join(t.TempDir(), "image")
		out, err = exec.Command("sh", "-c", fmt.Sprintf("truncate -s 64M %[1]s && mkfs.ext4 -q %[1]s && mount -o loop %[1]s %[2]s", image, dir)).CombinedOutput()
	}
	if err != nil {
		t.Skipf("no %s can be mounted here: %v: %s", kind, err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

func fillAndDrain(t *testing.T, dir string) {
	o := Options{Dir: filepath.Join(dir, "buffer"), BallastBytes: -1, MinFree: 12 << 20, QuotaBytes: 1 << 30, Retention: time.Hour, sweepEvery: 10 * time.Millisecond,
		segmentBytes: 4 << 20}
	q := open(t, o)
	var mu sync.Mutex
	stored := map[string]bool{}
	fill := func(round int) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				later := time.NewTicker(10 * time.Millisecond)
				defer later.Stop()
				refused := 0
				for i := 0; ; i++ {
					id := fmt.Sprintf("%d-%d-%d", round, w, i)
					_, err := q.Append(t.Context(), noise(id, 30_000), 1)
					var full *FullError
					if errors.As(err, &full) {
						// Space that is being freed is seen a second later.
						if refused++; q.Stats().KeptBlocks == 0 && refused > 150 {
							return
						}
						<-later.C // the sweep gives up the blocks kept for a replay
						i--
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					refused = 0
					mu.Lock()
					stored[id] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	for round := range 2 {
		fill(round)
		if err := q.Healthy(); err != nil {
			t.Fatal(err)
		}
		if len(stored) < 200 {
			t.Fatalf("round %d: full after %d events: the space of the last round has not come back", round, len(stored))
		}
		drain(t, q, func(seq uint64, list []protocol.Event) {
			for _, e := range list {
				delete(stored, e.ID)
			}
			if err := q.Forget(seq); err != nil {
				t.Error(err)
			}
		})
		if len(stored) != 0 {
			t.Fatalf("%d events are missing", len(stored))
		}
		waitForSpace(t, q)
	}
}

// waitForSpace waits until the sweep has made room.
func waitForSpace(t *testing.T, q *Queue) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for q.diskShort() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the disk is still short although nothing waits")
		}
	}
}
