package system

import (
	"fmt"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// phone is whoever sends the journeys.
type phone struct{}

func (phone) Address() string       { return "" }
func (phone) Agent() string         { return "app/1.0" }
func (phone) Country(string) string { return "" }

// TestJourneysAgree makes events of the journeys as the agent does, and has the engine and the
// oracle attribute them, without servers: the engine knows every content of every message id, the
// oracle the one that events keep.
func TestJourneysAgree(t *testing.T) {
	const people = 300
	moment := time.UnixMilli(1_790_000_000_000)
	versions, from := JourneySettings(moment, people)
	at := func(_ string, ms int64) *attribution.Settings {
		s := &versions[0]
		for i := range versions {
			if from[i].UnixMilli() <= ms {
				s = &versions[i]
			}
		}
		return s
	}
	kept := make(map[string]protocol.Event)
	var facts attribution.Facts
	journeys := NewJourneys(7, people, moment)
	var m event.Maker
	for received := moment.UnixMilli(); ; received++ {
		message, ok := journeys.Next()
		if !ok {
			break
		}
		e := made(t, &m, &message, received)
		facts.Add(&e, at(e.App, e.Time))
		if old, known := kept[e.ID]; !known || e.Received < old.Received {
			kept[e.ID] = e
		}
	}
	events := make([]protocol.Event, 0, len(kept))
	for _, e := range kept {
		events = append(events, e)
	}
	want := oracle.RecomputeAt(events, at)
	got := attribution.Settle(&facts, at)
	said := make(map[string]int)
	for i := range got {
		r := &got[i]
		if err := oracle.Compare(*r, want[oracle.ID{App: r.App, Conversion: r.ID}]); err != nil {
			t.Fatal(err)
		}
		said["match "+string(r.Install.Match)]++
		if r.RepeatOf != "" {
			said["repeat"]++
		}
		if r.Revenue < 0 && len(r.Touches) > 0 {
			said["refund"]++
		}
		for _, c := range r.Candidates {
			said["verdict "+string(c.Verdict)]++
		}
	}
	if len(got) != journeys.Conversions || len(want) != len(got) {
		t.Errorf("%d and %d results of %d conversions", len(got), len(want), journeys.Conversions)
	}
	for _, word := range []string{"match stated", "match referrer", "repeat", "refund", "verdict claimed_campaign", "verdict fraud_rejected", "verdict duplicate"} {
		if said[word] == 0 {
			t.Errorf("no %s in any journey: %v", word, said)
		}
	}
}

// made makes the event of a message.
func made(t *testing.T, m *event.Maker, message *Message, received int64) protocol.Event {
	t.Helper()
	m.Begin(event.Request{
		App: protocol.App{ID: "app"}, Trusted: message.Touch, Received: received, Client: phone{}, NewID: func() string { return fmt.Sprint("minted", received) },
		EventBytes: 1 << 16,
	})
	if err := m.Doc.Parse(message.Raw, document.Limits{Depth: 8, Keys: 200, String: 8 << 10, Nodes: 1 << 16, Shallow: 1}); err != nil {
		t.Fatal(err)
	}
	take := func(index int, item document.Ref, keep func(*protocol.Event) event.Reason) event.Rejection {
		return m.Make(index, item, protocol.KindUnknown, keep)
	}
	if message.Touch {
		take = m.MakeTouch
	}
	var e protocol.Event
	rejection := take(0, 0, func(one *protocol.Event) event.Reason {
		e = *one
		return event.Accepted
	})
	if rejection.Reason != event.Accepted {
		t.Fatalf("%s: %+v", message.Raw, rejection)
	}
	copied, err := protocol.DecodeEvents(protocol.AppendEvent(protocol.AppendEvents(nil, 1), &e)) // an event is good until the next is made
	if err != nil || len(copied) != 1 {
		t.Fatal(err, len(copied))
	}
	return copied[0]
}
