package attribution_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestManyPeople settles a month of a small app at once, as a whole-system test
// does, and compares every conversion.
func TestManyPeople(t *testing.T) {
	const people = 1500
	r := rand.New(rand.NewPCG(1, 2))
	s := attribution.Default()
	sources := []string{"google", "facebook", "tiktok", "email", "direct"}
	var events []protocol.Event
	add := func(e protocol.Event) {
		e.App, e.ID = "app", fmt.Sprintf("m%06d", len(events))
		e.Received = e.Time + r.Int64N(attribution.Minute)
		events = append(events, e)
	}
	for p := range people {
		device, anon, user := fmt.Sprintf("d%d", p), fmt.Sprintf("a%d", p), fmt.Sprintf("u%d", p)
		start := zero + r.Int64N(20*attribution.Day)
		for range r.IntN(8) {
			add(protocol.Event{Kind: protocol.KindClick, AnonymousID: anon, MediaSource: sources[r.IntN(len(sources))], Time: start - r.Int64N(10*attribution.Day)})
		}
		add(protocol.Event{Kind: protocol.KindTrack, Name: attribution.InstallEvent, DeviceID: device, Time: start})
		if p%3 > 0 {
			add(protocol.Event{Kind: protocol.KindIdentify, AnonymousID: anon, DeviceID: device, UserID: user, Time: start + 1000})
		}
		for range r.IntN(3) {
			add(protocol.Event{Kind: protocol.KindTrack, Name: "Order Completed", DeviceID: device, Time: start + r.Int64N(9*attribution.Day),
				Revenue: r.Int64N(200_000_000), Flags: protocol.FlagHasRevenue, Currency: "EUR"})
		}
	}
	got, want := settleEvents(events, &s), oracle.Recompute(events, s)
	if len(got) != len(want) || len(got) < people {
		t.Fatalf("%d conversions, want %d", len(got), len(want))
	}
	for id, w := range want {
		if err := oracle.Compare(got[id], w); err != nil {
			t.Fatal(err)
		}
	}
}
