package warehouse

import (
	"fmt"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestEraseLeavesNothingButATombstone counts the rows of all tables.
func TestEraseLeavesNothingButATombstone(t *testing.T) {
	w, s := open(t), attribution.Default()
	var b Batch
	for i, e := range []protocol.Event{
		{Kind: protocol.KindClick, MediaSource: "google", UserID: "U1"},
		{Kind: protocol.KindTrack, Name: "Application Opened", UserID: "U1"},
		{Kind: protocol.KindTrack, Name: "Application Installed", UserID: "U1", DeviceID: "d"},
		{Kind: protocol.KindTrack, Name: "Product Viewed", UserID: " U1 "},
		{Kind: protocol.KindTrack, Name: "Order Completed", UserID: "u1"}, // somebody else
		{Kind: protocol.KindTrack, Name: "Order Completed", UserID: "U1", Received: base + 1},
	} {
		e.App, e.ID, e.Original, e.Time, e.Payload = "app", fmt.Sprintf("m%d", i), base, base, []byte("{}")
		e.Received = max(e.Received, base)
		b.Rows = append(b.Rows, Row{Event: e, Agent: "agent"})
		b.Facts.Add(&e, &s)
	}
	for i, user := range []string{"U1", "u1"} { // quarantined: they happened before there were SDKs
		b.Rows = append(b.Rows, Row{Event: protocol.Event{App: "app", ID: fmt.Sprintf("bad%d", i), Kind: protocol.KindTrack, Name: "x", UserID: user,
			Original: 5, Time: base, Received: base, Payload: []byte("{}")}, Agent: "agent"})
	}
	count := func() string {
		text := ""
		for _, table := range []string{"events", "touches", "touch_keys", "touch_lookup", "open_keys", "conversions", "conversion_keys", "identity_links", "quarantine", "erasures"} {
			var n uint64
			if err := w.write.QueryRow(t.Context(), "SELECT count() FROM "+table+" FINAL").Scan(&n); err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprintf("%s %d ", table, n)
		}
		return text
	}
	insert := func() {
		if _, err := w.Insert(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	insert()
	if got, want := count(), "events 6 touches 2 touch_keys 2 touch_lookup 2 open_keys 1 conversions 3 conversion_keys 4 identity_links 2 quarantine 2 erasures 0 "; got != want {
		t.Errorf("before: %s", got)
	}
	want := "events 2 touches 0 touch_keys 0 touch_lookup 0 open_keys 0 conversions 2 conversion_keys 2 identity_links 0 quarantine 1 erasures 1 "
	if _, err := w.Erase(t.Context(), "app", []string{"user:U1"}, base); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != want {
		t.Errorf("after: %s", got)
	}
	insert()
	if got := count(); got != want {
		t.Errorf("sent again: %s", got)
	}
	for _, keys := range [][]string{nil, {"nobody"}} {
		if _, err := w.Erase(t.Context(), "app", keys, base); err == nil {
			t.Errorf("%v: no error", keys)
		}
	}
}
