package runs

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// archive holds events that are no conversions, as ClickHouse does.
type archive struct {
	events []protocol.Event
	asked  int
}

func (a *archive) Unstated(_ context.Context, _ string, from, to int64, names []string, limit int) ([]protocol.Event, error) {
	a.asked++
	var found []protocol.Event
	for _, e := range a.events {
		if e.Time >= from && e.Time < to && slices.Contains(names, e.Name) && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, nil
}

// TestDerivedFindsEveryEventOnce has more events in an hour than are read at once, and none
// for weeks around it.
func TestDerivedFindsEveryEventOnce(t *testing.T) {
	s := attribution.Default()
	s.ConversionEvents = append(s.ConversionEvents, "Signed Up")
	var a archive
	start := int64(1_780_000_000_000)
	for n := range 3*derivedPage + 7 {
		a.events = append(a.events, protocol.Event{App: "shop", ID: fmt.Sprintf("s%06d", n), Kind: protocol.KindTrack, Name: "Signed Up",
			Time: start + int64(n)*attribution.Hour/int64(4*derivedPage), UserID: "u"})
		a.events = append(a.events, protocol.Event{App: "shop", ID: fmt.Sprintf("v%06d", n), Kind: protocol.KindTrack, Name: "Viewed", Time: start, UserID: "u"})
	}
	seen := make(map[string]int)
	err := Derived(t.Context(), &a, "shop", [2]int64{start - 20*attribution.Day, start + 20*attribution.Day}, &s, func(page []attribution.Conversion) error {
		for i := range page {
			seen[page[i].ID]++
		}
		return nil
	})
	if err != nil || len(seen) != 3*derivedPage+7 {
		t.Fatalf("%d conversions, %v", len(seen), err)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is given %d times", id, n)
		}
	}
	if a.asked > 100 {
		t.Errorf("asked %d times", a.asked)
	}
}

// TestDerivedSaysWhereItCannotGoOn has too many events at one instant.
func TestDerivedSaysWhereItCannotGoOn(t *testing.T) {
	s := attribution.Default()
	a := archive{events: slices.Repeat([]protocol.Event{{App: "shop", Kind: protocol.KindTrack, Name: "Order Completed", Time: 5}}, derivedPage)}
	if err := Derived(t.Context(), &a, "shop", [2]int64{0, 10}, &s, func([]attribution.Conversion) error { return nil }); err == nil {
		t.Error("no error")
	}
}

func TestListedLeavesOutWhatIsNotOnTheList(t *testing.T) {
	s := attribution.Default()
	kept := Listed([]attribution.Conversion{
		{ID: "i", Install: true, Name: attribution.InstallEvent}, {ID: "o", Name: "Order Completed"}, {ID: "s", Name: "Signed Up"}, {ID: "r", Name: "refund", Revenue: -1},
	}, &s)
	var ids []string
	for i := range kept {
		ids = append(ids, kept[i].ID)
	}
	if !slices.Equal(ids, []string{"i", "o", "r"}) {
		t.Errorf("kept %v", ids)
	}
}
