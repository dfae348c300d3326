package node

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/intake"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// readOnly is a warehouse that takes no results.
type readOnly struct{ *warehouse.Warehouse }

func (readOnly) InsertAttributions(context.Context, []attribution.Row) error {
	return errors.New("ClickHouse is away")
}

// TestErasureForgetsOnePersonAndWhatWasMadeOfThem: Ann and Bob use one tablet. Ann
// clicks without logging in on her own phone, and as herself on the tablet; Bob's
// purchase on the tablet was credited to her click there, too.
func TestErasureForgetsOnePersonAndWhatWasMadeOfThem(t *testing.T) {
	store, err := warehouse.Open(t.Context(), warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	settings := attribution.Default()
	d := &directory{fallback: settings}
	d.known.Store(&knowledge{})
	a, err := recompute.New(recompute.Options{Store: store, Feed: store, Watermarks: &accounts.Accounts{}, Settings: d.At})
	if err != nil {
		t.Fatal(err)
	}
	broken, err := recompute.New(recompute.Options{Store: readOnly{store}, Feed: store, Watermarks: &accounts.Accounts{}, Settings: d.At})
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{warehouse: store, attributor: a, directory: d}
	now := time.Now().UnixMilli()
	event := func(id string, e protocol.Event) intake.Row {
		e.App, e.ID, e.Digest, e.Payload = "shop", id, 1, []byte("{}")
		e.Time, e.Original, e.Received = now-attribution.Day+e.Time, now-attribution.Day+e.Time, now-attribution.Day+e.Time
		return intake.Row{Event: e, Agent: "agent"}
	}
	order := func(id, user, device string, at int64) intake.Row {
		return event(id, protocol.Event{Kind: protocol.KindTrack, Name: "Order Completed", Time: at, UserID: user, DeviceID: device, Flags: protocol.FlagHasRevenue, Revenue: 5, Currency: "EUR"})
	}
	rows := []intake.Row{
		event("phone", protocol.Event{Kind: protocol.KindClick, Time: 1, DeviceID: "phone", MediaSource: "google"}),
		event("login", protocol.Event{Kind: protocol.KindIdentify, Time: 2, UserID: "ann", DeviceID: "phone"}),
		event("tablet", protocol.Event{Kind: protocol.KindClick, Time: 3, UserID: "ann", DeviceID: "tablet", MediaSource: "meta"}),
		event("bobs", protocol.Event{Kind: protocol.KindClick, Time: 4, UserID: "bob", DeviceID: "tablet", MediaSource: "tiktok"}),
		order("o-ann", "ann", "phone", 5), order("o-bob", "bob", "tablet", 6),
	}
	if rejected, err := s.Store(t.Context(), rows); err != nil || len(rejected) > 0 {
		t.Fatal(rejected, err)
	}
	attribute := func() {
		t.Helper()
		facts := attribution.Facts{Conversions: []attribution.Conversion{{App: "shop", ID: "o-ann"}, {App: "shop", ID: "o-bob"}}}
		if _, err := a.Recompute(t.Context(), &facts); err != nil {
			t.Fatal(err)
		}
	}
	sources := func(id string) (list []string) {
		t.Helper()
		stored, err := store.Attributions(t.Context(), "shop", []string{id})
		if err != nil {
			t.Fatal(err)
		}
		if len(stored) == 0 {
			return []string{"nothing"}
		}
		for _, touch := range stored[0].Result.Touches {
			list = append(list, touch.Touch.MediaSource)
		}
		return list
	}
	attribute()
	if got := sources("o-bob"); !slices.Contains(got, "meta") || !slices.Contains(got, "tiktok") {
		t.Fatalf("before: %v", got)
	}

	job := apps.Job{Run: apps.Run{ID: "run-1", App: "shop", Created: time.UnixMilli(now), Parameters: []byte(`{"key":"user:ann"}`)}}
	// The first time ClickHouse goes away when Ann's facts are gone already.
	note, log := func(_ float64, mark string) { job.Mark = mark }, forgotten{}
	if out, err := (eraser{store, broken, []time.Duration{0, 0}, &log}).erase(t.Context(), job, note); err == nil {
		t.Fatalf("done without a result stored: %+v", out)
	}
	if left, err := store.Erasable(t.Context(), "shop", []string{"user:ann"}, now); err != nil || len(left.Touches)+len(left.Links) > 0 {
		t.Fatalf("%+v is left, %v", left, err)
	}
	out, err := eraser{store, a, []time.Duration{0, 0}, &log}.erase(t.Context(), job, note)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.(erasureResult); got.Attributions != 1 {
		t.Errorf("%+v, want Bob's purchase", got)
	}
	check := func(when string) {
		t.Helper()
		if got := sources("o-ann"); !slices.Equal(got, []string{"nothing"}) {
			t.Errorf("%s: Ann's purchase has %v", when, got)
		}
		if got := sources("o-bob"); !slices.Equal(got, []string{"tiktok"}) {
			t.Errorf("%s: Bob's purchase has %v", when, got)
		}
		touches, err := store.Touches(t.Context(), "shop", []string{"device:phone", "device:tablet", "user:ann", "click:phone"}, 0, now)
		if err != nil || len(touches) != 1 || touches[0].ID != "bobs" {
			t.Errorf("%s: %d touches, want Bob's: %v", when, len(touches), err)
		}
		links, err := store.Links(t.Context(), "shop", []string{"user:ann"})
		if err != nil || len(links) > 0 {
			t.Errorf("%s: links %v %v", when, links, err)
		}
	}
	check("erased")
	log.holds(t, "o-ann")
	fresh := slices.Clone(rows)
	for i := range fresh {
		fresh[i].Event.Received = now + attribution.Day // by whoever still has the messages
	}
	for when, again := range map[string][]intake.Row{"sent again": rows, "sent again later": fresh} {
		if rejected, err := s.Store(t.Context(), again); err != nil || len(rejected) > 0 {
			t.Fatal(rejected, err)
		}
		attribute()
		check(when)
	}
	later := event("back", protocol.Event{Kind: protocol.KindClick, Time: attribution.Day + 1000, UserID: "ann", MediaSource: "news"})
	if _, err := s.Store(t.Context(), []intake.Row{later}); err != nil {
		t.Fatal(err)
	}
	if touches, err := store.Touches(t.Context(), "shop", []string{"user:ann"}, 0, now+attribution.Day); err != nil || len(touches) != 1 {
		t.Errorf("what Ann does afterwards is not erased: %v %v", touches, err)
	}
}

// forgotten is a log of deliveries that remembers which conversions it forgot.
type forgotten map[string]bool

func (f *forgotten) holds(t *testing.T, conversion string) {
	t.Helper()
	if len(*f) != 1 || !(*f)[conversion] {
		t.Errorf("the log of deliveries forgets %v, want %s", *f, conversion)
	}
}

func (f *forgotten) Forget(_ context.Context, _ string, conversions []string) error {
	for _, id := range conversions {
		(*f)[id] = true
	}
	return nil
}
