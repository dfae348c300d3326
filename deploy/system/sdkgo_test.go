package system

import (
	"io"
	"log"
	"testing"
	"time"

	rudder "github.com/rudderlabs/analytics-go/v4"
	analytics "github.com/segmentio/analytics-go/v3"
)

// goOutcomes passes on the Go SDK's outcome of each message.
type goOutcomes struct{ results chan error }

func (o goOutcomes) Success(analytics.Message)            { o.results <- nil }
func (o goOutcomes) Failure(_ analytics.Message, e error) { o.results <- e }

func (c *Cluster) speakGo(t *testing.T, w *wire, ordered time.Time) {
	story := goStory(ordered)
	outcomes := goOutcomes{make(chan error, len(story))}
	client, err := analytics.NewWithConfig(c.WriteKey, analytics.Config{Endpoint: w.URL, BatchSize: 3, Interval: time.Hour, Callback: outcomes,
		DefaultContext: &analytics.Context{App: analytics.AppInfo{Name: "shop"}, Library: analytics.LibraryInfo{Name: "analytics-go", Version: "3.0.0"}},
		Logger:         analytics.StdLogger(log.New(io.Discard, "", 0)), RetryAfter: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range story {
		if err := client.Enqueue(m); err != nil {
			t.Fatal(err)
		}
	}
	for range story { // before Close, after which it does not try again
		if err := <-outcomes.results; err != nil {
			t.Error(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	messages, _ := w.delivered()
	for _, m := range messages {
		// It names itself and the app for the whole batch, not in each message.
		context, _ := m.message["context"].(object)
		library, _ := context["library"].(object)
		if library["name"] != "analytics-go" {
			t.Errorf("the library of a message is %v", context)
		}
	}
}

func goStory(ordered time.Time) []analytics.Message {
	return []analytics.Message{
		analytics.Identify{UserId: storyUser, Traits: storyTraits()},
		analytics.Track{UserId: storyUser, Event: "Order Completed", Timestamp: ordered, Properties: storyOrder(),
			Context: &analytics.Context{Campaign: analytics.CampaignInfo{Source: "google", Medium: "cpc", Name: "spring", Term: "shoes", Content: "banner"},
				Device: analytics.DeviceInfo{Id: "D1", Type: "android", AdvertisingID: storyAdvertID}}},
		analytics.Page{UserId: storyUser, Name: "Home", Properties: analytics.NewProperties().SetURL("https://shop.example/")},
		analytics.Screen{UserId: storyUser, Name: "Main"},
		analytics.Group{UserId: storyUser, GroupId: "g-1", Traits: analytics.NewTraits().SetName("Acme")},
		analytics.Alias{UserId: storyUser, PreviousId: "anon-1"},
	}
}

// rudderOutcomes passes on what RudderStack's Go SDK says of each message.
type rudderOutcomes struct{ results chan error }

func (o rudderOutcomes) Success(rudder.Message)            { o.results <- nil }
func (o rudderOutcomes) Failure(_ rudder.Message, e error) { o.results <- e }

// speakRudderGo tells the story through RudderStack's SDK for Go. It packs its
// batches unless it is told to leave them plain.
func (c *Cluster) speakRudderGo(t *testing.T, w *wire, ordered time.Time, plain bool) {
	story := rudderStory(ordered)
	outcomes := rudderOutcomes{make(chan error, len(story))}
	client, err := rudder.NewWithConfig(c.WriteKey, rudder.Config{DataPlaneUrl: w.URL, BatchSize: len(story), Interval: time.Hour, Callback: outcomes,
		DisableGzip: plain, Logger: rudder.StdLogger(log.New(io.Discard, "", 0)), RetryAfter: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range story {
		if err := client.Enqueue(m); err != nil {
			t.Fatal(err)
		}
	}
	for range story { // before Close, after which it does not try again
		if err := <-outcomes.results; err != nil {
			t.Error(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	messages, _ := w.delivered()
	for _, m := range messages {
		if plain == (m.encoding == "gzip") {
			t.Errorf("the encoding of %s is %q", m.id(), m.encoding)
		}
	}
}

func rudderStory(ordered time.Time) []rudder.Message {
	return []rudder.Message{
		rudder.Identify{UserId: storyUser, Traits: storyTraits()},
		rudder.Track{UserId: storyUser, Event: "Order Completed", OriginalTimestamp: ordered, Properties: storyOrder(),
			Context: &rudder.Context{Campaign: rudder.CampaignInfo{Source: "google", Medium: "cpc", Name: "spring", Term: "shoes", Content: "banner"},
				Device: rudder.DeviceInfo{Id: "D1", Type: "android", AdvertisingID: storyAdvertID}}},
		rudder.Page{UserId: storyUser, Name: "Home", Properties: rudder.NewProperties().SetURL("https://shop.example/")},
		rudder.Screen{UserId: storyUser, Name: "Main"},
		rudder.Group{UserId: storyUser, GroupId: "g-1", Traits: rudder.NewTraits().SetName("Acme")},
		rudder.Alias{UserId: storyUser, PreviousId: "anon-1"},
	}
}
