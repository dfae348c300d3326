package node

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestAWarehouseOlderThanAnErasureLearnsOfItAgain: one that is empty is as old as can be. Another check
// finds nothing to do, and the erasure waits to be done.
func TestAWarehouseOlderThanAnErasureLearnsOfItAgain(t *testing.T) {
	store, err := warehouse.Open(t.Context(), warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := accountstest.Open(t)
	app := accountstest.NewApp(t, a, "Shop")
	if _, err := a.Runs.CreateRun(t.Context(), app.ID, "erasure", "", map[string]string{"key": "user:ann"}); err != nil {
		t.Fatal(err)
	}
	job, ok, err := a.Runs.TakeRun(t.Context(), "node", 1e9)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := a.Runs.KeepRun(t.Context(), job, 0.5, `{"keys":["user:ann","device:phone"],"from":1}`, 1e9); err != nil {
		t.Fatal(err)
	}
	if err := a.Runs.FinishRun(t.Context(), job, []byte(`{}`), ""); err != nil {
		t.Fatal(err)
	}
	part := newTombstones(tombstones{erasures: a.Runs, warehouse: store, log: slog.New(slog.DiscardHandler)}, prometheus.NewRegistry())
	state := func() string {
		t.Helper()
		run, err := a.Runs.Run(t.Context(), app.ID, job.ID)
		if err != nil {
			t.Fatal(err)
		}
		return run.State
	}
	if err := part.apply(t.Context()); err != nil || state() != apps.RunPending {
		t.Fatalf("%v; the erasure is %s", err, state())
	}
	at := job.Created.UnixMilli()
	wanted := []warehouse.Tombstone{{App: app.ID, Key: "user:ann", At: at}, {App: app.ID, Key: "device:phone", At: at}, {App: app.ID, Key: "user:bob", At: at}}
	missing, err := store.Unmarked(t.Context(), wanted)
	if err != nil || len(missing) != 1 || missing[0].Key != "user:bob" {
		t.Errorf("missing: %+v, %v", missing, err)
	}
	if job, ok, err = a.Runs.TakeRun(t.Context(), "node", 1e9); err != nil || !ok || job.Mark == "" {
		t.Fatal(ok, job.Mark, err)
	}
	if err := a.Runs.FinishRun(t.Context(), job, []byte(`{}`), ""); err != nil {
		t.Fatal(err)
	}
	if err := part.apply(t.Context()); err != nil || state() != apps.RunDone {
		t.Errorf("%v; the erasure is %s", err, state())
	}
}

// TestADeviceStandsForTheOneUserWhoLoggedInOnIt: whoever is erased by it is the person. A tablet of two
// is itself.
func TestADeviceStandsForTheOneUserWhoLoggedInOnIt(t *testing.T) {
	store, err := warehouse.Open(t.Context(), warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	link := func(a, b string) attribution.Link { return attribution.Link{App: "shop", A: a, B: b, Received: 1} }
	row := warehouse.Row{Event: protocol.Event{App: "shop", ID: "1", Kind: protocol.KindIdentify, Received: 1, Payload: []byte("{}")}, Agent: "a"}
	_, err = store.Insert(t.Context(), warehouse.Batch{Rows: []warehouse.Row{row}, Facts: attribution.Facts{Links: []attribution.Link{
		link("anon:a", "user:ann"), link("device:phone", "user:ann"), link("device:phone", "anon:a"), link("gaid:g", "device:phone"),
		link("device:tablet", "user:ann"), link("device:tablet", "user:bob"),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][]string{
		"anon:a": {"user:ann", "anon:a", "device:phone", "gaid:g"}, "gaid:g": {"user:ann", "gaid:g"}, "user:ann": {"user:ann", "anon:a", "device:phone", "gaid:g"},
		"device:tablet": {"device:tablet"}, "anon:unknown": {"anon:unknown"},
	} {
		got, err := store.OwnKeys(t.Context(), "shop", key)
		if err != nil {
			t.Fatal(err)
		}
		has := make(map[string]bool)
		for _, k := range got {
			has[k] = true
		}
		for _, k := range want {
			if !has[k] {
				t.Errorf("%s stands for %v, want %s among them", key, got, k)
			}
		}
		if has["user:bob"] || has["device:tablet"] && key != "device:tablet" || len(got) > 4 || len(want) == 1 && len(got) > 1 {
			t.Errorf("%s stands for %v", key, got)
		}
	}
}
