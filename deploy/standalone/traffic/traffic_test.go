package traffic

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"
)

func noon() time.Time { return time.Date(2026, 3, 18, 12, 0, 0, 0, time.UTC) }

func generate(t *testing.T, o Options) *Traffic {
	t.Helper()
	made, err := Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// content is every message by its id; a repeated one must be the same.
func content(t *testing.T, made *Traffic) map[string]Message {
	t.Helper()
	all := map[string]Message{}
	for _, m := range made.Messages {
		if before, ok := all[m.ID]; ok && (!bytes.Equal(before.Body, m.Body) || before.Lane != m.Lane) {
			t.Fatalf("id %s has two contents:\n%s\n%s", m.ID, before.Body, m.Body)
		}
		all[m.ID] = m
	}
	return all
}

func TestSameOptionsMakeSameTraffic(t *testing.T) {
	o := Options{Seed: 7, Now: noon(), People: 300}
	a, b := generate(t, o), generate(t, o)
	if len(a.Messages) != len(b.Messages) {
		t.Fatalf("%d and %d messages", len(a.Messages), len(b.Messages))
	}
	for i := range a.Messages {
		if !bytes.Equal(a.Messages[i].Body, b.Messages[i].Body) {
			t.Fatalf("message %d differs:\n%s\n%s", i, a.Messages[i].Body, b.Messages[i].Body)
		}
	}
	o.Seed++
	if other := generate(t, o); bytes.Equal(other.Messages[0].Body, a.Messages[0].Body) {
		t.Error("another seed made the same first message")
	}
}

// TestLaterTrafficOnlyAdds is what lets a demo run again on the same day or another.
func TestLaterTrafficOnlyAdds(t *testing.T) {
	base := generate(t, Options{Seed: 7, Now: noon(), People: 400})
	for name, o := range map[string]Options{
		"hours later": {Seed: 7, Now: noon().Add(3 * time.Hour), People: 400},
		"a day later": {Seed: 7, Now: noon().Add(day), People: 400},
		"more people": {Seed: 7, Now: noon(), People: 900},
	} {
		more := generate(t, o)
		all := content(t, more)
		first := more.Summary.From.Add(2 * day) // the oldest day has left the traffic
		added := len(all)
		for id, m := range content(t, base) {
			if after, ok := all[id]; ok {
				added--
				if !bytes.Equal(after.Body, m.Body) {
					t.Fatalf("%s: message %s changed:\n%s\n%s", name, id, m.Body, after.Body)
				}
			} else if m.At.Before(first) {
				continue
			} else if name != "a day later" {
				t.Fatalf("%s: message %s of %s is gone", name, id, m.At)
			}
		}
		if added == 0 {
			t.Errorf("%s: nothing was added", name)
		}
	}
}

func TestMessagesAreWhatTheAgentTakes(t *testing.T) {
	made := generate(t, Options{Seed: 1, Now: noon(), People: 400})
	for _, m := range content(t, made) {
		var v struct {
			Type, MessageID, ID, Event, Kind   string
			MediaSource                        string `json:"media_source"`
			UserID, AnonymousID                string
			Timestamp, OriginalTimestamp, Time time.Time
		}
		if err := json.Unmarshal(m.Body, &v); err != nil {
			t.Fatalf("%v: %s", err, m.Body)
		}
		at := v.Time
		switch m.Lane {
		case Touches:
			if v.ID != m.ID || v.MediaSource == "" || v.Kind != "click" && v.Kind != "impression" {
				t.Fatalf("a touch without id, source or kind: %s", m.Body)
			}
		default:
			at = v.Timestamp
			if at.IsZero() {
				at = v.OriginalTimestamp
			}
			if v.MessageID != m.ID || v.Type == "" || v.UserID == "" && v.AnonymousID == "" || v.Type == "track" && v.Event == "" {
				t.Fatalf("a message without id, type, person or name: %s", m.Body)
			}
		}
		if !at.Equal(m.At) || at.After(noon()) || at.Before(made.Summary.From) {
			t.Fatalf("happened at %s, says %s: %s", m.At, at, m.Body)
		}
		if len(m.ID) != 36 || len(m.Body) > 4<<10 {
			t.Fatalf("id of %d bytes, body of %d: %s", len(m.ID), len(m.Body), m.Body)
		}
	}
}

func TestProportionsAreThoseOfAShop(t *testing.T) {
	made := generate(t, Options{Seed: 1, Now: noon(), People: 4000})
	s := made.Summary
	sources := map[string]int{}
	events := map[string]int{}
	size := 0
	for _, m := range content(t, made) {
		size += len(m.Body)
		var v struct {
			Event   string
			Source  string `json:"media_source"`
			Context struct{ Campaign struct{ Source string } }
		}
		if err := json.Unmarshal(m.Body, &v); err != nil {
			t.Fatal(err)
		}
		sources[v.Source+v.Context.Campaign.Source]++
		events[v.Event]++
	}
	delete(sources, "")
	t.Logf("%+v", s)
	t.Logf("%d bytes a message, sources %v, events %v", size/s.Events, sources, events)
	if len(sources) < 12 {
		t.Errorf("%d media sources", len(sources))
	}
	if got := slices.Sorted(maps.Keys(s.Revenue)); !slices.Equal(got, []string{"CHF", "EUR", "GBP", "USD"}) {
		t.Errorf("currencies %v", got)
	}
	for _, c := range []struct {
		what      string
		got       int
		low, high int
	}{
		{"people", s.People, 3600, 4400},
		{"events", s.Events, 50_000, 90_000},
		{"installs", s.Installs, 900, 2200},
		{"orders", s.Orders, 900, 3000},
		{"clicks", s.Clicks, 2000, 8000},
		{"impressions", s.Impressions, 500, 5000},
		{"late", s.Late, s.Events / 50, s.Events / 25},
		{"repeated", s.Repeated, s.Events / 60, s.Events / 30},
		{"refunds", events["Order Refunded"], 10, s.Orders / 15},
		{"orders sent", events["Order Completed"], s.Orders, s.Orders},
		{"installs sent", events["Application Installed"], s.Installs, s.Installs},
	} {
		if c.got < c.low || c.got > c.high {
			t.Errorf("%s: %d, not within %d to %d", c.what, c.got, c.low, c.high)
		}
	}
	if s.Revenue["EUR"] < s.Revenue["USD"]+s.Revenue["GBP"]+s.Revenue["CHF"] {
		t.Errorf("euros are not the most: %v", s.Revenue)
	}
}

func TestRequestsHoldEveryMessageOnce(t *testing.T) {
	made := generate(t, Options{Seed: 3, Now: noon(), People: 200})
	count := map[string]int{}
	for _, m := range made.Messages {
		count[m.ID]++
	}
	for r := range made.Requests() {
		body := r.Body(noon())
		var v struct {
			Batch, Touches []json.RawMessage
			SentAt         time.Time
		}
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("%v: %.200s", err, body)
		}
		if len(v.Batch)+len(v.Touches) != len(r.Messages) || len(r.Messages) > perRequest || len(body) > 500_000 {
			t.Fatalf("%d and %d of %d messages in %d bytes", len(v.Batch), len(v.Touches), len(r.Messages), len(body))
		}
		if (r.Lane == Touches) != (len(v.Touches) > 0) || (r.Lane == Touches) != (r.Path() == "/v1/s2s/touch") || (r.Lane == Touches) != v.SentAt.IsZero() {
			t.Fatalf("lane %d goes to %s, sent at %s", r.Lane, r.Path(), v.SentAt)
		}
		for _, m := range r.Messages {
			count[m.ID]--
		}
	}
	for id, left := range count {
		if left != 0 {
			t.Errorf("message %s: %d times too few", id, left)
		}
	}
}

func TestPeopleAreBounded(t *testing.T) {
	for _, n := range []int{-1, 0, MaxPeople + 1} {
		if _, err := Generate(Options{Now: noon(), People: n}); err == nil {
			t.Errorf("%d people were accepted", n)
		}
	}
}
