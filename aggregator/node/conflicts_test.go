package node

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// databases opens both, migrated.
func databases(t *testing.T) (*accounts.Accounts, *warehouse.Warehouse) {
	t.Helper()
	a, err := accounts.Open(t.Context(), accounts.Options{DSN: childtest.Postgres(t), MasterKey: bytes.Repeat([]byte{0xab}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	w, err := warehouse.Open(t.Context(), warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := migrate(t.Context(), a, w); err != nil {
		t.Fatal(err)
	}
	return a, w
}

// TestOneContentOfAnIdCountsWhateverItStates sends a page view and an order under one
// message id, a click and a search under another, in both orders of arrival: the content
// received first counts, and nothing is left of the rest.
func TestOneContentOfAnIdCountsWhateverItStates(t *testing.T) {
	a, w := databases(t)
	s := attribution.Default()
	attributor, err := recompute.New(recompute.Options{Store: w, Feed: w, Watermarks: a, Settings: func(string, int64) *attribution.Settings { return &s }})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // repairs are counted
	repaired := 0
	repair := func(ctx context.Context, f *attribution.Facts) (int, error) {
		n, err := attributor.Recompute(ctx, f)
		mu.Lock()
		defer mu.Unlock()
		repaired += n
		return n, err
	}
	f := newFinder(finder{warehouse: w, leases: a, repair: repair, owner: "one", log: slog.New(slog.DiscardHandler)}, prometheus.NewRegistry())
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
	send := func(events ...protocol.Event) {
		var b warehouse.Batch
		for _, e := range events {
			e.App, e.UserID, e.Original, e.Time, e.Payload = "shop", "u", at+e.Time, at+e.Time, []byte("{}")
			e.Received += at + attribution.Minute
			b.Rows = append(b.Rows, warehouse.Row{Event: e, Agent: "agent"})
			b.Facts.Add(&e, &s)
		}
		if _, err := w.Insert(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := attributor.Recompute(t.Context(), &b.Facts); err != nil {
			t.Fatal(err)
		}
	}
	order := func(id string, received int64) protocol.Event {
		return protocol.Event{ID: id, Kind: protocol.KindTrack, Name: "Order Completed", Digest: 1, Received: received}
	}
	page := func(id string, received int64) protocol.Event {
		return protocol.Event{ID: id, Kind: protocol.KindTrack, Name: "Product Viewed", Digest: 2, Received: received}
	}
	click := func(id, source string, received int64) protocol.Event {
		return protocol.Event{ID: id, Kind: protocol.KindClick, MediaSource: source, Time: -attribution.Hour, Digest: 3, Received: received - attribution.Hour}
	}
	search := func(id string, received int64) protocol.Event {
		e := page(id, received-attribution.Hour)
		e.Time = -attribution.Hour
		return e
	}
	send(click("t1", "google", 5), order("o0", 0), order("o1", 0), order("o2", 9))
	send(page("o1", 9))   // received later: the order counts
	send(page("o2", 0))   // received before, although it came later: no order
	send(search("t1", 0)) // no click any more
	send(click("t2", "mail", 0), search("t2", 9))
	if err := f.search(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := w.Attributions(t.Context(), "shop", []string{"o0", "o1", "o2"})
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d attributions, want those of o0 and o1: %v", len(rows), err)
	}
	for _, r := range rows {
		if len(r.Result.Touches) != 1 || r.Result.Touches[0].Touch.MediaSource != "mail" {
			t.Errorf("%s has %+v, want the touch of mail", r.Conversion.ID, r.Result.Touches)
		}
	}
	if repaired != 2 {
		t.Errorf("%d attributions repaired, want 2", repaired)
	}
	q := report.Query{App: "shop", Apps: report.Apps{IDs: []string{"shop"}}, From: time.UnixMilli(at).Add(-2 * time.Hour), To: time.UnixMilli(at).Add(time.Hour)}
	overview, err := report.Overview(t.Context(), w, q)
	if err != nil || overview.Conversions != 2 || overview.Clicks != 1 || overview.Events != 5 {
		t.Errorf("overview %+v, want 2 conversions, 1 click, 5 events; %v", overview, err)
	}
	conflicts, err := evidence{w, func(string, int64) *attribution.Settings { return &s }}.Conflicts(t.Context(), "shop", "", 10)
	if err != nil || len(conflicts.Data) != 4 {
		t.Errorf("conflicts %+v %v, want 4", conflicts, err)
	}
	send(order("o2", 9)) // once more, as after a restore of an agent
	if err := f.search(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows, err := w.Attributions(t.Context(), "shop", []string{"o2"}); err != nil || len(rows) != 0 {
		t.Errorf("it came back: %d %v", len(rows), err)
	}
	mark, err := a.Watermark(t.Context(), conflictsName)
	if err != nil || time.Since(mark) > time.Minute {
		t.Errorf("the watermark is %v; %v", mark, err)
	}
}

// TestConflictsAreToldWithinFiveMinutes however long a search takes.
func TestConflictsAreToldWithinFiveMinutes(t *testing.T) {
	for _, took := range []time.Duration{0, time.Second, 10 * time.Second, 45 * time.Second, 110 * time.Second} {
		// The worst case: a conflict is stored just after a search began that does not see it.
		if told := took + untilNextSearch(took) + took; took < time.Minute && told > 5*time.Minute {
			t.Errorf("a search of %s tells of a conflict after %s", took, told)
		}
		if wait := untilNextSearch(took); wait < conflictsEvery || wait > conflictsWait {
			t.Errorf("after a search of %s it waits %s", took, wait)
		}
	}
}
