package ingest

import (
	"io"
	"log"
	"net/http/httptest"
	"testing"
	"time"

	analytics "github.com/segmentio/analytics-go/v3"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// outcomes passes on the SDK's verdict on each message.
type outcomes struct{ results chan error }

func (o outcomes) Success(analytics.Message)            { o.results <- nil }
func (o outcomes) Failure(_ analytics.Message, e error) { o.results <- e }

// TestSegmentGoSDK sends through the client that Segment's customers use. It
// sends a batch again until it is answered 200.
func TestSegmentGoSDK(t *testing.T) {
	d := newDoor(t, func(o *Options) { o.Now, o.NewID = nil, nil })
	d.buffer.fail = &fullError{time.Second} // the first answer is 429
	server := httptest.NewServer(d)
	defer server.Close()
	outcomes := outcomes{make(chan error, 3)}
	client, err := analytics.NewWithConfig(clientKey, analytics.Config{
		Endpoint: server.URL, BatchSize: 3, Interval: time.Hour, Callback: outcomes, Logger: analytics.StdLogger(log.New(io.Discard, "", 0)),
		RetryAfter: func(int) time.Duration {
			d.buffer.mu.Lock()
			defer d.buffer.mu.Unlock()
			d.buffer.fail = nil
			return time.Millisecond
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range [...]analytics.Message{
		analytics.Identify{UserId: "u-1", Traits: analytics.NewTraits().SetEmail("a@example.com")},
		analytics.Track{UserId: "u-1", Event: "Order Completed", Properties: analytics.NewProperties().SetRevenue(12.5).SetCurrency("EUR"),
			Context: &analytics.Context{Campaign: analytics.CampaignInfo{Source: "google", Medium: "cpc", Name: "spring"}, Device: analytics.DeviceInfo{Id: "D1", Type: "android", AdvertisingID: "g1"}}},
		analytics.Alias{UserId: "u-1", PreviousId: "anon-1"},
	} {
		if err := client.Enqueue(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := <-outcomes.results; err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	events := d.buffer.taken()
	if len(events) != 3 {
		t.Fatalf("%d events stored, want 3 exactly once", len(events))
	}
	order := events[1]
	if order.Name != "Order Completed" || order.Revenue != 12_500_000 || order.Currency != "EUR" || order.MediaSource != "google" ||
		order.DeviceID != "D1" || order.GAID != "g1" || order.UserID != "u-1" || order.Has(protocol.FlagClamped) {
		t.Errorf("%+v", order)
	}
	if events[0].Kind != protocol.KindIdentify || events[2].PreviousID != "anon-1" {
		t.Errorf("%+v, %+v", events[0], events[2])
	}
}
