package buffer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestRebuiltSegmentHasItsBlocks damages the bookkeeping of a segment, and one
// block of it.
func TestRebuiltSegmentHasItsBlocks(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "buffer"), BallastBytes: -1, MinFree: 1, segmentBytes: 64 << 10}
	q := open(t, o)
	const blocks = 60
	for i := range blocks {
		mustAppend(t, q, noise(fmt.Sprint(i), 3000), 1)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(o.Dir, segmentsDir, "*", "MANIFEST"))
	if err != nil || len(segments) < 2 {
		t.Fatal(segments, err)
	}
	if err := os.WriteFile(segments[0], []byte("no manifest"), 0o600); err != nil {
		t.Fatal(err)
	}
	damageVlog(t, filepath.Dir(segments[0]))

	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), filepath.Dir(segments[0])) || !strings.Contains(err.Error(), "agent buffer rebuild") {
		t.Fatalf("the error must name the segment and what to do: %v", err)
	}
	list, err := Rebuild(o.Dir, nil)
	if err != nil || len(list) != 1 || list[0].Blocks == 0 || list[0].First != 1 {
		t.Fatalf("%+v: %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(list[0].Aside, "MANIFEST")); err != nil {
		t.Errorf("the old files are gone: %v", err)
	}
	if again, err := Rebuild(o.Dir, nil); err != nil || len(again) != 0 {
		t.Errorf("what is whole was rebuilt: %+v: %v", again, err)
	}
	q = open(t, o)
	found := 0
	drain(t, q, func(_ uint64, list []protocol.Event) { found += len(list) })
	if lost := q.Stats().Lost; found != blocks-1 || lost != 1 {
		t.Errorf("%d events are there and %d blocks reported lost of %d, of which one was damaged", found, lost, blocks)
	}
}

// damageVlog changes a byte in the middle of what the value log holds.
func damageVlog(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	data, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(strings.TrimRight(string(data), "\x00"))/2] ^= 1
	if err := os.WriteFile(logs[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}
