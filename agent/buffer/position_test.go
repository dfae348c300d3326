package buffer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestLostEndIsNamedByTheCore loses the marker, the positions and the newest segments: nothing on
// the disk knows of the blocks in them. The core does.
func TestLostEndIsNamedByTheCore(t *testing.T) {
	o := testOptions(t)
	o.segmentBytes = 1
	q := open(t, o)
	for i := range 9 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
	}
	_, history, err := q.Tell()
	if err != nil || len(history) != 1 || history[0].Next != 10 {
		t.Fatal(history, err)
	}
	known := history[0]
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(o.Dir, segmentsDir, "*"))
	if err != nil || len(segments) != 9 {
		t.Fatal(segments, err)
	}
	for _, path := range append(segments[5:], filepath.Join(o.Dir, markerName), filepath.Join(o.Dir, positionsFile)) {
		if err := os.Rename(path, filepath.Join(t.TempDir(), "away")); err != nil {
			t.Fatal(err)
		}
	}
	q = open(t, o)
	if s := q.Stats(); s.NextSeq != 6 || s.Lost != 0 {
		t.Fatalf("%+v", s)
	}
	if skipped := q.Resume(8, known); skipped != 4 { // 6 and 7 were acknowledged, as the core says
		t.Fatalf("%d skipped", skipped)
	}
	if s := q.Stats(); s.Lost != 2 || s.NextSeq != 10 {
		t.Fatalf("%+v", s)
	}
	if seq := mustAppend(t, q, event("new"), 1); seq != 10 {
		t.Fatalf("sequence %d is used twice", seq)
	}
	_, history, err = q.Tell()
	if err != nil || len(history) != 1 || history[0].Next != 11 {
		t.Fatal(history, err)
	}
	if _, _, chain := q.Position(); chain != nextChain(known.Chain, 10, mustRead(t, q, 10)) {
		t.Error("the chain does not go on from what the core knows")
	}
	var left []uint64
	drain(t, q, func(seq uint64, _ []protocol.Event) {
		left = append(left, seq)
		_ = q.Forget(seq)
	})
	if fmt.Sprint(left) != "[1 2 3 4 5 10]" || q.Stats().QueuedBlocks != 0 {
		t.Fatalf("left %v, %+v", left, q.Stats())
	}
}

// A position that was told survives the loss of the marks: a tail that only the positions know is named.
func TestPositionsNameALostTail(t *testing.T) {
	o := testOptions(t)
	o.segmentBytes = 1
	q := open(t, o)
	for i := range 4 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
	}
	if _, _, err := q.Tell(); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{segmentPath(o.Dir, 4), filepath.Join(o.Dir, markerName)} {
		if err := os.Rename(path, filepath.Join(t.TempDir(), "away")); err != nil {
			t.Fatal(err)
		}
	}
	q = open(t, o)
	if s := q.Stats(); s.NextSeq != 5 || s.Lost != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestHistoryIsBoundedAndKept(t *testing.T) {
	o := testOptions(t)
	q := open(t, o)
	for i := range protocol.MaxHistory + 6 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
		if _, _, err := q.Tell(); err != nil {
			t.Fatal(err)
		}
	}
	_, before, _ := q.Tell()
	if len(before) != protocol.MaxHistory || before[0].Next != 8 {
		t.Fatalf("%d positions from %d", len(before), before[0].Next)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, o)
	if _, after, _ := q.Tell(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Fatal("the history is another one after a restart")
	}
}

func TestRefusedQueueTakesNothing(t *testing.T) {
	q := open(t, testOptions(t))
	q.Refuse("another copy")
	_, err := q.Append(t.Context(), event("a"), 1)
	if full := new(FullError); !errors.As(err, &full) || !strings.Contains(err.Error(), "another copy") {
		t.Fatal(err)
	}
	q.Refuse("")
	mustAppend(t, q, event("a"), 1)
}
