package attribution_test

import (
	"fmt"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func click(n int, at int64) protocol.Event {
	return protocol.Event{App: "app", ID: fmt.Sprintf("t%05d", n), Kind: protocol.KindClick, MediaSource: "google", DeviceID: "d", Time: at, Received: at}
}

// TestAnEndlessPathIsCutAtItsOldEnd: more touches than are considered, before
// and after an install.
func TestAnEndlessPathIsCutAtItsOldEnd(t *testing.T) {
	s := attribution.Default()
	events := []protocol.Event{{App: "app", ID: "i", Kind: protocol.KindTrack, Name: attribution.InstallEvent, DeviceID: "d", Time: zero, Received: zero}}
	for n := range attribution.MaxTouches + 10 {
		events = append(events, click(n, zero-int64(n)*attribution.Second))
	}
	for n := range 150 {
		events = append(events, click(50_000+n, zero+1+int64(n)))
	}
	id := oracle.ID{App: "app", Conversion: "i"}
	r := settleEvents(events, &s)[id]
	if err := oracle.Compare(r, oracle.Recompute(events, s)[id]); err != nil {
		t.Fatal(err)
	}
	if !r.Truncated || len(r.Touches) != attribution.MaxTouches || r.Touches[attribution.MaxTouches-1].Touch.ID != "t00000" || r.Inputs != attribution.MaxTouches+100 {
		t.Errorf("truncated %t, %d touches, %d inputs", r.Truncated, len(r.Touches), r.Inputs)
	}
	if r.Install.TouchID != "t00000" {
		t.Errorf("install goes to %s", r.Install.TouchID)
	}
}

// TestOfTwoVariantsReceivedAtOnceTheSmallerDigestWins, in both orders.
func TestOfTwoVariantsReceivedAtOnceTheSmallerDigestWins(t *testing.T) {
	s := attribution.Default()
	order := protocol.Event{App: "app", ID: "c", Kind: protocol.KindTrack, Name: "Order Completed", DeviceID: "d", Time: zero, Received: zero}
	one, two := click(1, zero-5), click(1, zero-4)
	one.Digest, one.MediaSource = 2, "second"
	two.Digest, two.MediaSource, two.Received = 1, "first", one.Received
	for _, events := range [][]protocol.Event{{order, one, two}, {two, one, order}} {
		r := settleEvents(events, &s)[oracle.ID{App: "app", Conversion: "c"}]
		if len(r.Touches) != 1 || r.Touches[0].Touch.MediaSource != "first" {
			t.Errorf("path %+v", r.Touches)
		}
	}
}

// TestInputsOutOfReachChangeNothing: a caller may offer more than it must.
func TestInputsOutOfReachChangeNothing(t *testing.T) {
	s := attribution.Default()
	c := attribution.Conversion{App: "app", ID: "c", Time: zero, Received: zero, Keys: []string{"user:u"}}
	touch := func(id, app, key string, at int64) attribution.Touch {
		return attribution.Touch{App: app, ID: id, Kind: attribution.Click, Time: at, Received: at, Keys: []string{key}}
	}
	link := func(a, b string) attribution.Link { return attribution.Link{App: "app", A: a, B: b, Received: zero} }
	in := attribution.Inputs{
		Touches: []attribution.Touch{touch("a", "app", "user:u", zero-9), touch("b", "app", "anon:x", zero-8)},
		Links:   []attribution.Link{link("anon:x", "user:u")},
	}
	want := attribution.Attribute(c, in, s)
	in.Touches = append([]attribution.Touch{touch("a", "other", "user:u", zero-9), touch("z", "app", "user:v", zero-3), touch("old", "app", "user:u", zero-31*attribution.Day)}, in.Touches...)
	in.Links = append(in.Links, link("anon:x", "user:u"), link("anon:y", "user:v"))
	got := attribution.Attribute(c, in, s)
	if err := oracle.Compare(got, want); err != nil {
		t.Fatal(err)
	}
	if want.Inputs != 3 || len(want.Touches) != 2 {
		t.Errorf("%d inputs, %d touches", want.Inputs, len(want.Touches))
	}
}

// TestASharedDeviceIsCutAlike compares with the independent implementation when a device
// has more links than are followed, some of them received only after the orders.
func TestASharedDeviceIsCutAlike(t *testing.T) {
	s := attribution.Default()
	s.Lateness = attribution.Day
	var events []protocol.Event
	for n := range attribution.MaxLinks + 300 {
		user := fmt.Sprintf("u%04d", n)
		at := zero - attribution.Day + int64((n*7919)%1000)*2*attribution.Minute // until after the lateness limit
		events = append(events,
			protocol.Event{App: "app", ID: "l" + user, Kind: protocol.KindIdentify, UserID: user, DeviceID: "kiosk", Time: at, Received: at},
			protocol.Event{App: "app", ID: "t" + user, Kind: protocol.KindClick, MediaSource: "google", UserID: user, Time: zero - 2*attribution.Day, Received: zero - 2*attribution.Day})
	}
	for _, o := range []protocol.Event{{ID: "o1", DeviceID: "kiosk"}, {ID: "o2", UserID: "u0000"}, {ID: "o3", UserID: "u0811"}, {ID: "o4", UserID: "u0300"}} {
		o.App, o.Kind, o.Name, o.Time, o.Received = "app", protocol.KindTrack, "Order Completed", zero, zero
		events = append(events, o)
	}
	got, want := settleEvents(events, &s), recompute(events, &s)
	for id, w := range want {
		if err := oracle.Compare(got[id], w); err != nil {
			t.Error(err)
		}
		if len(w.Touches) < attribution.MaxKeys-3 {
			t.Errorf("%s has %d touches", id.Conversion, len(w.Touches))
		}
	}
	if len(want) != 4 {
		t.Errorf("%d conversions", len(want))
	}
}

// TestTheMarksOfAnInstallAreAnInput: they decide whether its touches are rejected, so
// a row that was made by other marks must be seen to be old.
func TestTheMarksOfAnInstallAreAnInput(t *testing.T) {
	s := attribution.Default()
	s.Fraud.BlockedAddress = attribution.Reject
	c := attribution.Conversion{App: "app", ID: "i", Install: true, Time: zero, Received: zero, Keys: []string{"user:u"}}
	in := attribution.Inputs{Touches: []attribution.Touch{{App: "app", ID: "t", Kind: attribution.Click, Time: zero - 1, Received: zero - 1, Keys: []string{"user:u"}}}}
	plain := attribution.Attribute(c, in, s)
	c.Marks = attribution.MarkBlockedAddress
	if marked := attribution.Attribute(c, in, s); marked.InputDigest == plain.InputDigest || marked.Install.Outcome == plain.Install.Outcome {
		t.Errorf("marked %s %x, plain %s %x", marked.Install.Outcome, marked.InputDigest, plain.Install.Outcome, plain.InputDigest)
	}
}
