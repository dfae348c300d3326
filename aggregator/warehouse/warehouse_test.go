package warehouse

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// base is an instant within the sane range, 2026-01-31 23:30 UTC.
const base = int64(1769902200000)

// open returns a migrated warehouse in a fresh database.
func open(t testing.TB) *Warehouse {
	t.Helper()
	ctx := t.Context()
	w, err := Open(ctx, Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.Check(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// batch derives the facts of events as the aggregator does.
func batch(events ...protocol.Event) Batch {
	settings := attribution.Default()
	var b Batch
	for _, e := range events {
		if e.App == "" {
			e.App = "app"
		}
		if e.Payload == nil {
			e.Payload = []byte("{}")
		}
		if e.Received == 0 {
			e.Received = e.Time + 100
		}
		b.Rows = append(b.Rows, Row{Event: e, Agent: "agent-1"})
		b.Facts.Add(&e, &settings)
	}
	return b
}

func insert(t testing.TB, w *Warehouse, events ...protocol.Event) []Rejection {
	t.Helper()
	rejections, err := w.Insert(t.Context(), batch(events...))
	if err != nil {
		t.Fatal(err)
	}
	return rejections
}

// one reads a single value.
func one[T any](t testing.TB, w *Warehouse, query string, args ...any) T {
	t.Helper()
	var value T
	if err := w.read.QueryRow(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func click(id, user string, at int64) protocol.Event {
	return protocol.Event{ID: id, Kind: protocol.KindClick, Original: at, Time: at, UserID: user, MediaSource: "Google Ads", Campaign: "spring", Digest: 1}
}

func order(id, user string, at, micros int64) protocol.Event {
	return protocol.Event{
		ID: id, Kind: protocol.KindTrack, Name: "Order Completed", Original: at, Time: at, UserID: user, AnonymousID: "anon-" + user,
		Revenue: micros, Currency: "EUR", Flags: protocol.FlagHasRevenue, Digest: 1,
	}
}

func TestMigrateTwiceAndCheck(t *testing.T) {
	w := open(t)
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.write.Exec(t.Context(), "ALTER TABLE touches MODIFY SETTING fsync_after_insert = 0"); err != nil {
		t.Fatal(err)
	}
	if err := w.Check(t.Context()); err == nil {
		t.Fatal("Check accepts a table that does not sync")
	}
}

func TestCheckNamesMissingTables(t *testing.T) {
	w, err := Open(t.Context(), Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Check(t.Context()); err == nil {
		t.Fatal("Check accepts an empty database")
	}
}

func TestInsertTwiceCountsOnce(t *testing.T) {
	w := open(t)
	events := []protocol.Event{click("c1", "u1", base), order("o1", "u1", base+3_600_000, 140_000_000)}
	for range 3 {
		if rejections := insert(t, w, events...); len(rejections) != 0 {
			t.Fatalf("rejections: %v", rejections)
		}
	}
	for query, want := range map[string]uint64{
		"SELECT count() FROM events FINAL":          2,
		"SELECT count() FROM touches FINAL":         1,
		"SELECT count() FROM touch_keys FINAL":      1 + 1, // the user and the click itself
		"SELECT count() FROM touch_ids FINAL":       1,
		"SELECT count() FROM conversions FINAL":     1,
		"SELECT count() FROM conversion_keys FINAL": 2,
		"SELECT count() FROM conversion_ids FINAL":  1,
		"SELECT count() FROM identity_links FINAL":  2,
	} {
		if got := one[uint64](t, w, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

func TestSmallestReceivedAndDigestWinsInAnyOrder(t *testing.T) {
	variants := []struct {
		received int64
		digest   uint64
	}{{base + 500, 7}, {base + 400, 9}, {base + 400, 8}, {base + 600, 1}}
	w := open(t)
	for shift := range variants {
		for i := range variants {
			v := variants[(i+shift)%len(variants)]
			e := click(fmt.Sprint("same", shift), "u1", base)
			e.Received, e.Digest = v.received, v.digest
			insert(t, w, e)
		}
	}
	if got := one[uint64](t, w, "SELECT countIf(digest = 8) FROM events FINAL"); got != uint64(len(variants)) {
		t.Errorf("the right variant won %d times, want %d", got, len(variants))
	}
}

func TestManyMonthsAreSplit(t *testing.T) {
	w := open(t)
	var events []protocol.Event
	for m := range 110 { // more partitions than the server lets one insert have
		at := base - int64(m)*31*24*3_600_000
		events = append(events, protocol.Event{ID: fmt.Sprintf("e%d", m), Kind: protocol.KindTrack, Name: "x", Original: at, Time: at})
	}
	events = append(events, protocol.Event{ID: "no-time", Kind: protocol.KindTrack, Name: "x", Time: base})
	insert(t, w, events...)
	if got := one[uint64](t, w, "SELECT count() FROM events FINAL"); got != 111 {
		t.Errorf("%d events, want 111", got)
	}
}

func TestBadRowsGoToQuarantine(t *testing.T) {
	w := open(t)
	if err := w.write.Exec(t.Context(), "ALTER TABLE events ADD CONSTRAINT poison CHECK name != 'poison'"); err != nil {
		t.Fatal(err)
	}
	events := []protocol.Event{{ID: "bad-original", Original: 5, Time: base, Kind: protocol.KindTrack}}
	for i := range 50 {
		events = append(events, order(fmt.Sprintf("o%d", i), "u", base, 1))
	}
	events[17].Name = "poison"
	rejections := insert(t, w, events...)
	if len(rejections) != 2 {
		t.Fatalf("rejections: %+v", rejections)
	}
	if got := one[uint64](t, w, "SELECT count() FROM events FINAL"); got != 49 {
		t.Errorf("%d events stored, want 49", got)
	}
	if got := one[uint64](t, w, "SELECT count() FROM quarantine FINAL WHERE event != '' AND reason != ''"); got != 2 {
		t.Errorf("%d in quarantine, want 2", got)
	}
}

func TestInsertFailsWhenClickHouseIsAway(t *testing.T) {
	w := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := w.Insert(ctx, batch(click("c1", "u1", base))); err == nil {
		t.Fatal("an insert that cannot have happened was accepted")
	}
}
