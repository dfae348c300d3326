package main

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/agent/ingest"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/deploy/standalone/traffic"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// door is a real agent's HTTP side with a buffer in memory and two keys.
type door struct {
	mu     sync.Mutex
	events []protocol.Event
}

func (d *door) Append(_ context.Context, encoded []byte, count int) (uint64, error) {
	events, err := protocol.DecodeEvents(append(protocol.AppendEvents(nil, count), encoded...))
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, events...)
	return 1, nil
}

func (d *door) WaitStored(context.Context, uint64) error { return nil }

func (d *door) Key(hash [sha256.Size]byte) (protocol.Key, bool) {
	kinds := map[[sha256.Size]byte]protocol.KeyKind{sha256.Sum256([]byte("write")): protocol.KeyClient, sha256.Sum256([]byte("server")): protocol.KeyServer}
	kind, ok := kinds[hash]
	return protocol.Key{App: "shop", Kind: kind}, ok
}

func (d *door) App(id string) (protocol.App, bool) { return protocol.App{ID: id}, true }
func (d *door) Link(string) (protocol.Link, bool)  { return protocol.Link{}, false }
func (d *door) Fresh() bool                        { return true }
func (d *door) Edges() []protocol.Edge             { return nil }
func (d *door) Host(string) (protocol.App, bool)   { return protocol.App{}, false }

// TestSampleTellsAStory sends the sample traffic to the agent's real door and attributes what
// comes out, without servers: the console must have something to show under each model.
func TestSampleTellsAStory(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 3, 18, 12, 0, 0, 0, time.UTC) }
	d := &door{}
	handler, err := ingest.New(ingest.Options{Buffer: d, Directory: d, Registerer: prometheus.NewRegistry(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	made, err := traffic.Generate(traffic.Options{Seed: demoSeed, Now: now(), People: 1000})
	if err != nil {
		t.Fatal(err)
	}
	s := sender{agent: server.URL, write: "write", server: "server", senders: 2, http: http.DefaultClient, patience: 10 * time.Second, now: now}
	if err := s.all(t.Context(), made.Requests(), func(int) {}); err != nil {
		t.Fatal(err)
	}
	settings := attribution.Default()
	var facts attribution.Facts
	type name struct {
		id       string
		original int64
		digest   uint64
	}
	distinct, refunds := map[name]bool{}, map[string]bool{}
	for i := range d.events {
		e := &d.events[i]
		if e.Time < made.Summary.From.UnixMilli() || e.Time > now().UnixMilli() || e.Original == 0 || e.Has(protocol.FlagBot) {
			t.Fatalf("event %s of %d: %s", e.ID, e.Time, e.Payload)
		}
		distinct[name{e.ID, e.Original, e.Digest}] = true
		if e.Has(protocol.FlagRefund) {
			refunds[e.ID] = true
		}
		facts.Add(e, &settings)
	}
	if len(d.events) != len(made.Messages) || len(distinct) != made.Summary.Events {
		t.Errorf("%d of %d messages, %d of %d distinct", len(d.events), len(made.Messages), len(distinct), made.Summary.Events)
	}
	results := attribution.Settle(&facts, func(string, int64) *attribution.Settings { return &settings })
	if want := made.Summary.Installs + made.Summary.Orders + len(refunds); len(results) != want {
		t.Errorf("%d conversions, want %d", len(results), want)
	}
	checkStory(t, results)
}

func checkStory(t *testing.T, results []attribution.Result) {
	outcomes, matches, paths := map[attribution.Outcome]int{}, map[attribution.Match]int{}, map[int]int{}
	firsts, lasts := map[string]int{}, map[string]int{}
	orders, credited := 0, 0
	for i := range results {
		r := &results[i]
		if r.Install.ID == r.ID {
			outcomes[r.Install.Outcome]++
			matches[r.Install.Match]++
			continue
		}
		orders++
		paths[min(len(r.Touches), 9)]++
		if !r.Organic() {
			credited++
			firsts[r.Touches[0].Touch.MediaSource]++
			lasts[r.Touches[len(r.Touches)-1].Touch.MediaSource]++
		}
	}
	t.Logf("installs %v by %v; %d orders, %d with touches, by touches %v", outcomes, matches, orders, credited, paths)
	t.Logf("first %v", firsts)
	t.Logf("last %v", lasts)
	for _, want := range []attribution.Outcome{attribution.NonOrganic, attribution.OrganicInstall, attribution.Unattributed} {
		if outcomes[want] == 0 {
			t.Errorf("no install is %s", want)
		}
	}
	if len(lasts) < 10 || credited < orders/2 || credited > orders*19/20 {
		t.Errorf("%d of %d orders are credited, to %d sources", credited, orders, len(lasts))
	}
	if paths[1] == 0 || paths[4] == 0 || firsts["podcast"] <= lasts["podcast"] || firsts["awin"] >= lasts["awin"] {
		t.Errorf("the models would not differ: paths %v, first %v, last %v", paths, firsts, lasts)
	}
}
