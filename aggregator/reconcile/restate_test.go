package reconcile_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/reconcile"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

const restateSecret = "a secret of the installation"

// history are three versions of the settings: the conversion events change twice,
// fingerprints once, and blocked addresses are listed in the second only.
func history() []reconcile.Version {
	first, second := attribution.Default(), attribution.Default()
	second.Generation, second.ConversionEvents = 2, []string{"Signed Up"}
	second.Probabilistic, second.BlockedRanges = true, []attribution.Range{"192.0.2.0/24"}
	third := second
	third.Generation, third.ConversionEvents = 3, []string{"Signed Up", "Order Completed"}
	third.BlockedRanges = nil
	return []reconcile.Version{{From: start - attribution.Day, Settings: &first}, {From: start, Settings: &second}, {From: start + attribution.Hour, Settings: &third}}
}

// asOf returns the settings of a time to who has heard of so many versions.
func asOf(versions []reconcile.Version, heard int) recompute.Settings {
	return func(_ string, at int64) *attribution.Settings {
		s := versions[0].Settings
		for _, v := range versions[:heard] {
			if v.From <= at {
				s = v.Settings
			}
		}
		return s
	}
}

// changes are events on all sides of the changes of the settings, one a minute.
func changes() []protocol.Event {
	var events []protocol.Event
	add := func(e protocol.Event, at int64) {
		e.App, e.ID, e.Original, e.Time, e.Received = "shop", fmt.Sprintf("e%03d", len(events)), at, at, at
		e.Digest, e.Payload = uint64(len(events)), []byte("{}")
		e.UserAgent = "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36"
		events = append(events, e)
	}
	for minute := int64(-90); minute < 150; minute += 5 {
		at := start + minute*attribution.Minute
		user, address := fmt.Sprintf("u%d", minute), fmt.Sprintf("192.0.2.%d", 100+minute%100)
		add(protocol.Event{Kind: protocol.KindClick, MediaSource: "google", UserID: user, IP: address}, at)
		add(protocol.Event{Kind: protocol.KindClick, MediaSource: "meta", AnonymousID: "looks" + user, IP: address}, at)
		add(protocol.Event{Kind: protocol.KindTrack, Name: attribution.InstallEvent, DeviceID: user, IP: address}, at+1)
		add(protocol.Event{Kind: protocol.KindTrack, Name: "Order Completed", UserID: user, Flags: protocol.FlagHasRevenue, Revenue: 5_000_000, Currency: "EUR"}, at+2)
		add(protocol.Event{Kind: protocol.KindTrack, Name: "Signed Up", UserID: user}, at+3)
		add(protocol.Event{Kind: protocol.KindTrack, Name: "Product Viewed", UserID: user}, at+4)
	}
	return events
}

// keep stores events as a node does that goes by these settings, and attributes.
func keep(t *testing.T, w *warehouse.Warehouse, events []protocol.Event, at recompute.Settings) *recompute.Attributor {
	t.Helper()
	a, err := recompute.New(recompute.Options{Store: w, Feed: w, Watermarks: &leases{marks: map[string]time.Time{}}, Settings: at})
	if err != nil {
		t.Fatal(err)
	}
	var b warehouse.Batch
	for i := range events {
		b.Rows = append(b.Rows, warehouse.Row{Event: events[i], Agent: "agent"})
		b.Facts.AddSecret(&events[i], at(events[i].App, events[i].Time), attribution.Secret(restateSecret))
	}
	if _, err := w.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Recompute(t.Context(), &b.Facts); err != nil {
		t.Fatal(err)
	}
	return a
}

func fresh(t *testing.T) *warehouse.Warehouse {
	t.Helper()
	w, err := warehouse.Open(t.Context(), warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// results are the attributions of all conversions there could be.
func results(t *testing.T, w *warehouse.Warehouse, events []protocol.Event) map[string]*attribution.Row {
	t.Helper()
	var ids []string
	for i := range events {
		ids = append(ids, events[i].ID)
	}
	rows, err := w.Attributions(t.Context(), "shop", ids)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]*attribution.Row, len(rows))
	for i := range rows {
		found[rows[i].Conversion.ID] = &rows[i]
	}
	return found
}

// stored are the ids of the conversions that reports count.
func stored(t *testing.T, w *warehouse.Warehouse) []string {
	t.Helper()
	page, _, _, err := w.ConversionsAfter(t.Context(), "shop", attribution.Cursor{}, start+attribution.Day, 1000)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(page))
	for i := range page {
		ids[i] = page[i].ID
	}
	slices.Sort(ids)
	return ids
}

func alike(t *testing.T, what string, got, want map[string]*attribution.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d attributions, want %d", what, len(got), len(want))
	}
	for id, w := range want {
		if g := got[id]; g == nil {
			t.Errorf("%s: no attribution of %s", what, id)
		} else if err := attribution.SameRow(g, w); err != nil {
			t.Errorf("%s: %s: %v", what, id, err)
		}
	}
}

// TestWhatANodeStoredByOlderSettingsIsRestated: of two nodes one has not heard of the
// last settings, or of any but the first; parts of the events come to both. Whoever
// stores what, in the end the result is as if all had known all from the beginning.
func TestWhatANodeStoredByOlderSettingsIsRestated(t *testing.T) {
	versions, events := history(), changes()
	reference := fresh(t)
	keep(t, reference, events, asOf(versions, 3))
	want := results(t, reference, events)
	for heard, wrong := range map[int]int{1: 1, 2: 1} {
		t.Run(fmt.Sprintf("heard of %d", heard), func(t *testing.T) {
			w := fresh(t)
			var both, stale, known []protocol.Event
			for i := range events {
				switch i % 3 {
				case 0:
					both = append(both, events[i])
				case 1:
					stale = append(stale, events[i])
				default:
					known = append(known, events[i])
				}
			}
			keep(t, w, slices.Concat(both, stale), asOf(versions, heard))
			a := keep(t, w, slices.Concat(known, both), asOf(versions, 3))
			r := &reconcile.Restater{Store: w, Versions: func(string) []reconcile.Version { return versions }, Secret: attribution.Secret(restateSecret), Recompute: a.Recompute}
			n, err := r.Restate(t.Context(), "shop", 0, start+attribution.Day)
			if err != nil || n < wrong {
				t.Fatalf("%d facts restated; %v", n, err)
			}
			t.Logf("%d facts restated", n)
			if n, err = r.Restate(t.Context(), "shop", 0, start+attribution.Day); err != nil || n != 0 {
				t.Errorf("the second time %d facts restated; %v", n, err)
			}
			// Those that were settled before are attributed by the node that knows, as Resettle has it done.
			for _, v := range versions {
				if _, err := a.Resettle(t.Context(), "shop", recompute.Version{From: v.From, Generation: v.Settings.Generation}); err != nil {
					t.Fatal(err)
				}
			}
			alike(t, "restated", results(t, w, events), want)
			if got, want := stored(t, w), stored(t, reference); !slices.Equal(got, want) {
				t.Errorf("conversions %v, want %v", got, want)
			}
		})
	}
}

// TestReconcileRestates finds the facts in a range that a node stored by older settings,
// counts and mends them, and finds none the second time.
func TestReconcileRestates(t *testing.T) {
	versions, events := history(), changes()
	reference, w := fresh(t), fresh(t)
	keep(t, reference, events, asOf(versions, 3))
	keep(t, w, events, asOf(versions, 1))
	a := keep(t, w, nil, asOf(versions, 3))
	restater := &reconcile.Restater{Store: w, Versions: func(string) []reconcile.Version { return versions }, Secret: attribution.Secret(restateSecret), Recompute: a.Recompute}
	r, err := reconcile.New(reconcile.Options{Store: w, Repairer: a, Settings: asOf(versions, 3), Settle: -1, Restate: restater.Restate})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		out, err := r.Range(t.Context(), "shop", start-attribution.Day, start+attribution.Day)
		if err != nil || (out.Restated > 0) != (round == 0) || out.Disputed > 0 || round == 1 && out.Different > 0 {
			t.Errorf("round %d: %+v %v", round, out, err)
		}
	}
	alike(t, "reconciled", results(t, w, events), results(t, reference, events))
}

// TestReconcileMakesAgainWhatIsMissing empties the tables of facts and of results, as a
// mishap of an operator does.
func TestReconcileMakesAgainWhatIsMissing(t *testing.T) {
	versions, events := history(), changes()
	dsn := childtest.ClickHouse(t)
	w, err := warehouse.Open(t.Context(), warehouse.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := keep(t, w, events, asOf(versions, 3))
	want, conversions := results(t, w, events), stored(t, w)
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, table := range []string{"conversions", "conversion_keys", "conversion_ids", "touches", "touch_keys", "touch_ids", "touch_lookup", "open_keys", "attributions"} {
		if err := conn.Exec(t.Context(), "TRUNCATE TABLE "+table); err != nil {
			t.Fatal(err)
		}
	}
	restater := &reconcile.Restater{Store: w, Versions: func(string) []reconcile.Version { return versions }, Secret: attribution.Secret(restateSecret), Recompute: a.Recompute}
	r, err := reconcile.New(reconcile.Options{Store: w, Repairer: a, Settings: asOf(versions, 3), Settle: -1, Restate: restater.Restate})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		out, err := r.Range(t.Context(), "shop", start-attribution.Day, start+attribution.Day)
		if err != nil || (out.Restated >= len(conversions)) != (round == 0) || out.Disputed > 0 || round == 1 && out.Restated+out.Different > 0 {
			t.Errorf("round %d: %+v %v", round, out, err)
		}
	}
	alike(t, "made again", results(t, w, events), want)
	if got := stored(t, w); !slices.Equal(got, conversions) {
		t.Errorf("conversions %v, want %v", got, conversions)
	}
}
