package warehouse

import (
	"fmt"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// BenchmarkInsert stores 10,000 events at a time: one in ten a click, one in
// fifty a purchase, all with two ids.
func BenchmarkInsert(b *testing.B) {
	w := open(b)
	const size = 10_000
	n := 0
	for b.Loop() {
		b.StopTimer()
		events := make([]protocol.Event, size)
		for i := range events {
			n++
			user := fmt.Sprintf("user-%d", n/20)
			switch {
			case n%10 == 0:
				events[i] = click(fmt.Sprintf("message-%d", n), user, base+int64(n))
			case n%50 == 1:
				events[i] = order(fmt.Sprintf("message-%d", n), user, base+int64(n), 1_000_000)
			default:
				events[i] = protocol.Event{ID: fmt.Sprintf("message-%d", n), Kind: protocol.KindTrack, Name: "Product Viewed", Original: base + int64(n), Time: base + int64(n), UserID: user, AnonymousID: "anon-" + user}
			}
			events[i].Payload = []byte(fmt.Sprintf(`{"type":"track","event":"Product Viewed","properties":{"sku":"%d","price":19.95,"category":"shoes"},"context":{"library":{"name":"analytics.js","version":"4.1.0"}}}`, n))
		}
		batch := batch(events...)
		b.StartTimer()
		if _, err := w.Insert(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
