package recompute_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// BenchmarkRecompute attributes stored conversions of four touches and three
// keys each, a fast path's chunk at a time.
func BenchmarkRecompute(b *testing.B) {
	store, err := warehouse.Open(b.Context(), warehouse.Options{DSN: childtest.ClickHouse(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	settings := attribution.Default()
	a, err := recompute.New(recompute.Options{
		Store: store, Feed: store, Watermarks: &watermarks{}, Owner: "bench",
		Settings: func(string, int64) *attribution.Settings { return &settings },
	})
	if err != nil {
		b.Fatal(err)
	}
	const chunk = 2000
	people, spent, done := 0, time.Duration(0), 0
	for b.Loop() {
		var batch warehouse.Batch
		add := func(e protocol.Event) {
			e.App, e.Received, e.Original, e.Payload = "app", e.Time, e.Time, []byte("{}")
			batch.Rows = append(batch.Rows, warehouse.Row{Event: e})
			batch.Facts.Add(&e, &settings)
		}
		for range chunk {
			people++
			user, anon, device := fmt.Sprintf("u%d", people), fmt.Sprintf("a%d", people), fmt.Sprintf("d%d", people)
			for n := range 4 {
				add(protocol.Event{ID: fmt.Sprintf("t%d-%d", people, n), Kind: protocol.KindClick, Time: start + int64(n)*minute, DeviceID: device, AnonymousID: anon, MediaSource: "google"})
			}
			add(protocol.Event{ID: fmt.Sprintf("o%d", people), Kind: protocol.KindTrack, Name: "Order Completed", Time: start + day,
				UserID: user, AnonymousID: anon, DeviceID: device, Flags: protocol.FlagHasRevenue, Revenue: 1_000_000, Currency: "EUR"})
		}
		if _, err := store.Insert(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		begun := time.Now()
		if n, err := a.Recompute(b.Context(), &batch.Facts); err != nil || n != chunk {
			b.Fatal(n, err)
		}
		spent += time.Since(begun)
		done += chunk
	}
	b.ReportMetric(float64(done)/spent.Seconds(), "conversions/s")
}
