package warehouse

import (
	"fmt"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestLinksAreStoredOnceAndAgainAfterTheyWereErased: every event states its link, but
// only a link that changes something is written, or one that was removed meanwhile.
func TestLinksAreStoredOnceAndAgainAfterTheyWereErased(t *testing.T) {
	w, s := open(t), attribution.Default()
	state := func(id string, received int64) {
		t.Helper()
		e := protocol.Event{App: "app", ID: id, Kind: protocol.KindTrack, Name: "x", UserID: "U1", AnonymousID: "a1",
			Original: base, Time: base, Received: received, Payload: []byte("{}")}
		b := Batch{Rows: []Row{{Event: e, Agent: "agent"}}}
		b.Facts.Add(&e, &s)
		if _, err := w.Insert(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	written := 0
	links := func(want string, inserts int) {
		t.Helper()
		got := one[string](t, w, "SELECT toString(arraySort(groupArray((a, received)))) FROM identity_links FINAL")
		if got != want {
			t.Errorf("links %s, want %s", got, want)
		}
		rows := int(one[uint64](t, w, "SELECT sum(rows) FROM system.parts WHERE database = currentDatabase() AND table = 'identity_links' AND active"))
		if inserts == 0 && rows != written {
			t.Errorf("%d rows stored, %d before", rows, written)
		}
		written = rows
	}
	both := func(received int64) string {
		return fmt.Sprintf("[('anon:a1',%d),('user:U1',%[1]d)]", received)
	}
	state("m1", base+10)
	links(both(base+10), 1)
	state("m2", base+20) // later: changes nothing
	links(both(base+10), 0)
	state("m3", base+5) // earlier: the first sighting counts
	links(both(base+5), 1)
	if _, err := w.Erase(t.Context(), "app", []string{"user:U1"}, base+30); err != nil {
		t.Fatal(err)
	}
	links("[]", 1)
	state("m4", base+40)
	links(both(base+40), 1)
}

// TestKnownLinksForgetNothingThatMatters compares the bounded memory with a map, with so many links that
// most are forgotten: it may ask for one again, and never leaves out what would change something.
func TestKnownLinksForgetNothingThatMatters(t *testing.T) {
	var k knownLinks
	now := condition{table: "t", started: 100}
	stored := make(map[string]int64)
	asked := 0
	for i := range 3 * knownSets * knownWays {
		l := attribution.Link{App: "app", A: "anon:1", B: fmt.Sprintf("user:%d", i*7919%(knownSets*knownWays*2)), Received: int64(1000 - i%13)}
		fresh := k.fresh(now, []attribution.Link{l})
		at, known := stored[l.B]
		if len(fresh) == 0 && (!known || at > l.Received) {
			t.Fatalf("link %d was left out: stored %d (%t), stated %d", i, at, known, l.Received)
		}
		if len(fresh) > 0 {
			asked++
			if !known || l.Received < at {
				stored[l.B] = l.Received
			}
			k.add(now, fresh)
		}
	}
	if asked == 3*knownSets*knownWays {
		t.Error("nothing was remembered")
	}
	for _, other := range []condition{{table: "u", started: 100}, {table: "t", started: 160}, {table: "t", removal: 1, started: 100}} {
		l := attribution.Link{App: "app", A: "a", B: "b", Received: 1}
		k.fresh(now, nil)
		k.add(now, []attribution.Link{l})
		if len(k.fresh(now, []attribution.Link{l})) != 0 || len(k.fresh(other, []attribution.Link{l})) != 1 {
			t.Errorf("condition %+v", other)
		}
	}
}
