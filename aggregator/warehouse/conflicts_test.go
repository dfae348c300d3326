package warehouse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// viewed is a plain event: it states neither a touch nor a conversion.
func viewed(id string, at, received int64, digest uint64) protocol.Event {
	return protocol.Event{ID: id, Kind: protocol.KindTrack, Name: "Product Viewed", UserID: "u", Original: at, Time: at, Received: received, Digest: digest}
}

// found runs a search over everything that is stored and prints the variants in conflict.
func found(t *testing.T, w *Warehouse, record bool) string {
	t.Helper()
	now, err := w.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	variants, err := w.FindConflicts(t.Context(), now.Add(-time.Hour), now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	divided, err := w.findConflicts(t.Context(), now.Add(-time.Hour), now.Add(time.Second), 1) // a part for each id
	if err != nil || len(divided) != len(variants) {
		t.Errorf("%d variants, and %d when few are looked up at once: %v", len(variants), len(divided), err)
	}
	if record {
		if err := w.RecordConflicts(t.Context(), variants); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for _, v := range variants {
		lines = append(lines, fmt.Sprintf("%s/%s %d+%d", v.App, v.ID, v.Digest, v.Received-base))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// TestAnyIdUsedForSeveralContentsIsAConflict: together and apart, in one hour and in
// different months, also when a merge has left one row only; and whatever it states.
func TestAnyIdUsedForSeveralContentsIsAConflict(t *testing.T) {
	w := open(t)
	const month = 31 * attribution.Day
	insert(t, w, viewed("together", base, base+9, 1), viewed("together", base+1, base+5, 2), viewed("alone", base, base+1, 3))
	insert(t, w, viewed("apart", base, base+9, 2), viewed("alone", base, base+70, 3)) // alone again: a duplicate
	insert(t, w, viewed("apart", base+1, base+5, 1))
	insert(t, w, viewed("far", base-month, base, 1), viewed("far", base, base, 2))
	insert(t, w, viewed("order", base, base, 1), click("click", "u", base))
	bought := order("order", "u", base, 1)
	bought.Digest, bought.Received = 7, base+3
	later := viewed("click", base, base+500, 9)
	other := viewed("alone", base, base, 4) // of another app
	other.App = "other"
	insert(t, w, bought, later, other)
	want := "app/apart 1+5, app/apart 2+9, app/click 1+100, app/click 9+500, app/far 1+0, app/far 2+0, app/order 1+0, app/order 7+3, app/together 1+9, app/together 2+5"
	if got := found(t, w, true); got != want {
		t.Errorf("found %s\nwant  %s", got, want)
	}
	for _, table := range []string{"events", "event_ids"} {
		if err := w.write.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
	}
	if n := one[uint64](t, w, "SELECT count() FROM events WHERE event_id = 'apart'"); n != 1 {
		t.Errorf("%d rows left of an id with two contents", n)
	}
	if got := found(t, w, true); got != want {
		t.Errorf("after a merge %s\nwant  %s", got, want)
	}
	q := report.Query{App: "app", Apps: report.Apps{IDs: []string{"app"}}, From: time.UnixMilli(base - 2*month), To: time.UnixMilli(base + month)}
	settings := attribution.Default()
	q.Settings = &settings
	late, err := report.Late(t.Context(), w, q)
	if err != nil || late.Conflicts != 5 {
		t.Errorf("the report has %d conflicts, want 5; %v", late.Conflicts, err)
	}
	listed, err := w.Conflicts(t.Context(), "app", "", 100)
	if err != nil || len(listed) != 10 || listed[0].ID != "apart" || listed[0].Digest != 1 {
		t.Errorf("listed %v %v", listed, err)
	}
}

// TestOneIdForEverythingIsBounded: a client that does not know what ids are for.
func TestOneIdForEverythingIsBounded(t *testing.T) {
	w := open(t)
	var events []protocol.Event
	for n := range uint64(3 * maxVariants) {
		events = append(events, viewed("1", base+int64(n), base+int64(n), n))
	}
	insert(t, w, events...)
	got := found(t, w, false)
	if n := strings.Count(got, "app/1 "); n != maxVariants || !strings.Contains(got, "app/1 0+0,") {
		t.Errorf("%d variants recorded, want %d: %s", n, maxVariants, got)
	}
}

// TestTheLosingVariantOfAnEventIsNotCounted: the range of a report has the loser and
// not the winner, or the winner and not the loser.
func TestTheLosingVariantOfAnEventIsNotCounted(t *testing.T) {
	w := open(t)
	const day = attribution.Day
	insert(t, w, viewed("edge", base-day, base+1, 5), viewed("edge", base+day, base+2, 4), viewed("plain", base+day, base+day, 1))
	found(t, w, true)
	for _, step := range []struct {
		name     string
		from, to int64
		want     uint64
	}{{"of the winner", base - 2*day, base, 1}, {"of the loser", base, base + 2*day, 1}, {"of both", base - 2*day, base + 2*day, 2}} {
		q := report.Query{App: "app", Apps: report.Apps{IDs: []string{"app"}}, From: time.UnixMilli(step.from), To: time.UnixMilli(step.to), Interval: report.Day, Metric: report.Events}
		overview, err := report.Overview(t.Context(), w, q)
		if err != nil || overview.Events != step.want {
			t.Errorf("the range %s has %d events, want %d; %v", step.name, overview.Events, step.want, err)
		}
		series, err := report.Timeseries(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, p := range series.Points {
			if p.Value != "0" {
				total++
			}
		}
		if total != int(step.want) {
			t.Errorf("the time series %s has %d days with events, want %d", step.name, total, step.want)
		}
	}
}
