package recompute

import (
	"fmt"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

func some(touches, conversions, links int) attribution.Facts {
	return attribution.Facts{
		Touches: make([]attribution.Touch, touches), Conversions: make([]attribution.Conversion, conversions), Links: make([]attribution.Link, links),
	}
}

func TestQueueTakesWhatFits(t *testing.T) {
	q := newQueue(10)
	if dropped := q.add(some(3, 4, 28)); dropped != 0 {
		t.Errorf("%d dropped of 3 touches, 4 conversions and 28 links", dropped)
	}
	if dropped := q.add(some(8, 7, 3)); dropped != 3 {
		t.Errorf("%d dropped, want one of each", dropped)
	}
	counts := func(f attribution.Facts) string {
		return fmt.Sprint(len(f.Conversions), len(f.Touches), len(f.Links))
	}
	for i, want := range []string{"6 0 0", "4 0 0"} {
		<-q.conversions
		if got := counts(q.takeConversions(6)); got != want {
			t.Errorf("conversions %d: %s", i, got)
		}
	}
	for i, want := range []string{"0 6 18", "0 4 12"} {
		<-q.others
		if got := counts(q.takeOthers(6)); got != want {
			t.Errorf("others %d: %s", i, got)
		}
	}
}

func TestSeenForgetsTheEldest(t *testing.T) {
	s := newSeen(2)
	for hash := range uint64(5) {
		s.add([]print{{hash: hash}})
	}
	var got []bool
	for hash := range uint64(5) {
		got = append(got, s.has(hash))
	}
	if fmt.Sprint(got) != "[false false true true true]" {
		t.Errorf("remembers %v", got)
	}
	s.add([]print{{hash: 9, at: 100}})
	if s.knows(9, 99) || !s.knows(9, 100) || !s.knows(9, 101) {
		t.Error("an earlier sighting of a link is news, a later one is not")
	}
}

func TestPrintsTellFactsApart(t *testing.T) {
	seen := make(map[uint64]string)
	for name, h := range map[string]uint64{
		"touch":             touchPrint(&attribution.Touch{App: "a", ID: "b"}),
		"touch, shifted":    touchPrint(&attribution.Touch{App: "ab"}),
		"touch, received":   touchPrint(&attribution.Touch{App: "a", ID: "b", Received: 1}),
		"touch, digest":     touchPrint(&attribution.Touch{App: "a", ID: "b", Digest: 1}),
		"conversion":        conversionPrint(&attribution.Conversion{App: "a", ID: "b"}),
		"link":              linkPrint(&attribution.Link{App: "a", A: "b"}),
		"link, other way":   linkPrint(&attribution.Link{App: "a", B: "b"}),
		"link, another app": linkPrint(&attribution.Link{App: "b", A: "b"}),
	} {
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have one print", name, other)
		}
		seen[h] = name
	}
}
