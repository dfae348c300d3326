package attribute

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
		t.Errorf("%d dropped of 7 and 28 links", dropped)
	}
	if dropped := q.add(some(3, 1, 3)); dropped != 2 {
		t.Errorf("%d dropped, want a touch and a link", dropped)
	}
	<-q.ready
	first := q.take(6)
	if got := fmt.Sprint(len(first.Conversions), len(first.Touches), len(first.Links)); got != "5 1 18" {
		t.Errorf("first: %s", got)
	}
	<-q.ready // there is more
	rest := q.take(100)
	if got := fmt.Sprint(len(rest.Conversions), len(rest.Touches), len(rest.Links)); got != "0 4 12" {
		t.Errorf("rest: %s", got)
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
