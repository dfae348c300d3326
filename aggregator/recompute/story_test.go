package recompute_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func clicked(id, user, source string, at int64) protocol.Event {
	return protocol.Event{App: "shop", ID: id, Kind: protocol.KindClick, Original: at, Time: at, Received: at, Digest: 1, UserID: user, MediaSource: source, Payload: []byte("{}")}
}

func ordered(id, anon string, at int64) protocol.Event {
	return protocol.Event{
		App: "shop", ID: id, Kind: protocol.KindTrack, Name: "Order Completed", Original: at, Time: at, Received: at, Digest: 1,
		AnonymousID: anon, Flags: protocol.FlagHasRevenue, Revenue: 10, Currency: "EUR", Payload: []byte("{}"),
	}
}

// sources are the media sources of a stored conversion's path.
func (n node) sources(t *testing.T, id string) string {
	t.Helper()
	rows, err := n.store.Attributions(t.Context(), "shop", []string{id})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return "nothing stored"
	}
	path := []string{}
	for _, touch := range rows[0].Result.Touches {
		path = append(path, touch.Touch.MediaSource)
	}
	return fmt.Sprint(path)
}

// TestLateFactsMoveCredit tells of a purchase whose touches become known later,
// one after the other.
func TestLateFactsMoveCredit(t *testing.T) {
	n := newNode(t, childtest.ClickHouse(t), "one", &watermarks{})
	late := clicked("t2", "u1", "late", start-5*minute)
	late.Received = start + 6*day
	tooLate := clicked("t3", "u1", "too late", start-4*minute)
	tooLate.Received = start + 8*day
	link := protocol.Event{App: "shop", ID: "id", Kind: protocol.KindIdentify, Original: start, Time: start, Received: start + day, Digest: 1,
		AnonymousID: "a1", UserID: "u1", Payload: []byte("{}")}
	replaced := clicked("t1", "somebody else", "first", start-10*minute)
	replaced.Received, replaced.Digest = replaced.Received-1, 2

	for _, step := range []struct {
		name  string
		event protocol.Event
		want  string
	}{
		{"a click of a user", clicked("t1", "u1", "first", start-10*minute), "nothing stored"},
		{"a purchase of an unknown visitor", ordered("o1", "a1", start), "[]"},
		{"who turns out to be that user", link, "[first]"},
		{"a late click", late, "[first late]"},
		{"a click over the lateness limit", tooLate, "[first late]"},
		{"a click after the purchase", clicked("t4", "u1", "after", start+1), "[first late]"},
		{"the first click was another person's", replaced, "[first late]"}, // hints do not look for variants
	} {
		facts := n.insert(t, []protocol.Event{step.event})
		if _, err := n.a.Recompute(t.Context(), &facts); err != nil {
			t.Fatal(err)
		}
		if got := n.sources(t, "o1"); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	if err := n.a.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.sources(t, "o1"); got != "[late]" {
		t.Errorf("after the sweep: %s, want [late]", got)
	}
	conflicts, err := n.store.Conflicts(t.Context(), "shop", "", 10)
	if err != nil || len(conflicts) != 2 || conflicts[0].ID != "t1" || conflicts[0].Digest != replaced.Digest || conflicts[0].Received != replaced.Received {
		t.Errorf("conflicts %v, %v", conflicts, err)
	}
}

// TestLateOpeningsBringPeopleBack tells of somebody who installed, was called back
// and opened the app, and what became known of it when.
func TestLateOpeningsBringPeopleBack(t *testing.T) {
	n := newNode(t, childtest.ClickHouse(t), "one", &watermarks{})
	app := func(id, name string, at, received int64) protocol.Event {
		return protocol.Event{App: "shop", ID: id, Kind: protocol.KindTrack, Name: name, Original: at, Time: at, Received: received, Digest: 1,
			DeviceID: "d", Payload: []byte("{}")}
	}
	order := ordered("o1", "", start+12*day)
	order.DeviceID = "d"
	call := clicked("r", "", "email", start+10*day)
	call.DeviceID, call.Flags = "d", protocol.FlagRetargeting
	for _, step := range []struct {
		name  string
		event protocol.Event
		want  string
	}{
		{"an install", app("i", attribution.InstallEvent, start, start), " "},
		{"an order", order, "install "},
		{"a click of a retargeting link", call, "install "},
		{"the opening that followed", app("open", "Application Opened", start+10*day+1, start+13*day), "retargeting email"},
		{"an earlier opening, too late to count", app("old", "Application Opened", start+10*day-1, start+20*day), "retargeting email"},
		{"one a millisecond before takes its place", app("active", "Application Opened", start+10*day, start+14*day), "retargeting email"},
		{"less than a day before that there was another", app("before", "Application Opened", start+9*day+2, start+14*day), "install "},
	} {
		facts := n.insert(t, []protocol.Event{step.event})
		if _, err := n.a.Recompute(t.Context(), &facts); err != nil {
			t.Fatal(err)
		}
		rows, err := n.store.Attributions(t.Context(), "shop", []string{"o1"})
		if err != nil {
			t.Fatal(err)
		}
		got := " "
		if len(rows) > 0 {
			got = rows[0].Result.Primary() + " " + rows[0].Result.Retargeting.MediaSource
		}
		if got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

// hasty is a feed whose clock is ahead, so that facts that were just stored seem old.
type hasty struct{ recompute.Feed }

func (h hasty) Now(ctx context.Context) (time.Time, error) {
	now, err := h.Feed.Now(ctx)
	return now.Add(90 * time.Second), err
}

// TestSweepFindsWhatHintsMissed loses every hint, and tells of it.
func TestSweepFindsWhatHintsMissed(t *testing.T) {
	n := newNode(t, childtest.ClickHouse(t), "one", &watermarks{})
	settings := attribution.Default()
	registry := prometheus.NewRegistry()
	a, err := recompute.New(recompute.Options{
		Store: n.store, Feed: hasty{n.store}, Watermarks: &watermarks{}, Owner: "two", Registerer: registry,
		Settings: func(string, int64) *attribution.Settings { return &settings },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.insert(t, []protocol.Event{clicked("t1", "u1", "google", start), ordered("o1", "a1", start+minute), ordered("o2", "a1", start+minute)})
	for _, want := range []int{2, 0} {
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Mismatched(t.Context()); err != nil || got != want {
			t.Errorf("%d mismatched, want %d (%v)", got, want, err)
		}
	}
	if got := n.sources(t, "o2"); got != "[]" {
		t.Errorf("o2: %s", got)
	}
}

// TestSweepWithoutLeaseDoesNothing leaves the work to the node that has it.
func TestSweepWithoutLeaseDoesNothing(t *testing.T) {
	n := newNode(t, childtest.ClickHouse(t), "one", &watermarks{owner: "two"})
	n.insert(t, []protocol.Event{ordered("o1", "a1", start)})
	if err := n.a.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.sources(t, "o1"); got != "nothing stored" {
		t.Errorf("o1: %s", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := recompute.New(recompute.Options{}); err == nil {
		t.Error("an attributor without a store")
	}
}

// told are settings that a node hears of when the test says so.
type told struct {
	mu      sync.Mutex
	list    []attribution.Settings // from the times below on
	from    []int64
	changed chan struct{}
}

func (s *told) at(_ string, ms int64) *attribution.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.list) - 1; i > 0; i-- {
		if s.from[i] <= ms {
			return &s.list[i]
		}
	}
	return &s.list[0]
}

func (s *told) Versions() (map[string][]recompute.Version, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var versions []recompute.Version
	for i := range s.list {
		versions = append(versions, recompute.Version{From: s.from[i], Generation: s.list[i].Generation})
	}
	return map[string][]recompute.Version{"shop": versions}, s.changed
}

func (s *told) tell(v attribution.Settings, from int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.from = append(slices.Clone(s.list), v), append(slices.Clone(s.from), from)
	close(s.changed)
	s.changed = make(chan struct{})
}

// TestSettingsApplyFromTheirTimeWhenever hears of settings only after it has
// attributed purchases to which they apply.
func TestSettingsApplyFromTheirTimeWhenever(t *testing.T) {
	n := newNode(t, childtest.ClickHouse(t), "one", &watermarks{})
	settings := &told{list: []attribution.Settings{attribution.Default()}, from: []int64{0}, changed: make(chan struct{})}
	restated := make(chan [2]int64, 100)
	a, err := recompute.New(recompute.Options{Store: n.store, Feed: n.store, Watermarks: &watermarks{owner: "another node sweeps"},
		Settings: settings.at, Versions: settings, Owner: "one", Restate: func(_ context.Context, _ string, from, to int64) (int, error) {
			restated <- [2]int64{from, to}
			return 0, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	click := clicked("t", "", "meta", now-2*day)
	click.AnonymousID = "a1"
	facts := n.insert(t, []protocol.Event{click, ordered("before", "a1", now-minute), ordered("after", "a1", now+minute)})
	if _, err := a.Recompute(t.Context(), &facts); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	defer wg.Wait()
	defer stop()
	short := attribution.Default()
	short.Generation, short.Lookback = 2, attribution.Day
	settings.tell(short, now)
	for n.sources(t, "after") != "[]" {
		if t.Context().Err() != nil {
			t.Fatal("never attributed by the settings of its time")
		}
	}
	if got := n.sources(t, "before"); got != "[meta]" {
		t.Errorf("a purchase before the settings has %s", got)
	}
	if got := <-restated; got != [2]int64{now, math.MaxInt64} {
		t.Errorf("facts of %v derived again, want those from %d on", got, now)
	}
}

// TestErasureRecomputes forgets one of two people who shared a device, and replays
// the events of both.
func TestErasureRecomputes(t *testing.T) {
	n := newNode(t, childtest.ClickHouse(t), "one", &watermarks{})
	shared := func(e protocol.Event) protocol.Event {
		e.DeviceID = "tablet"
		return e
	}
	mine, theirs := shared(clicked("t1", "me", "google", start-10*minute)), shared(clicked("t2", "them", "email", start-5*minute))
	order := shared(ordered("o1", "", start))
	order.UserID = "me"
	theirOrder := ordered("o2", "", start)
	theirOrder.UserID = "them"
	visit := protocol.Event{App: "shop", ID: "v", Kind: protocol.KindPage, Name: "Home", Original: start, Time: start, Received: start, UserID: "them", Payload: []byte("{}")}
	all := []protocol.Event{mine, theirs, order, theirOrder, visit}
	facts := n.insert(t, all)
	if _, err := n.a.Recompute(t.Context(), &facts); err != nil {
		t.Fatal(err)
	}
	if got := n.sources(t, "o1"); got != "[google email]" {
		t.Fatalf("before: %s", got)
	}
	if _, _, err := n.a.Forget(t.Context(), n.store, "shop", []string{"user:them"}, start+day); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		if one, two := n.sources(t, "o1"), n.sources(t, "o2"); one != "[google]" || two != "nothing stored" {
			t.Errorf("%s: %s and %s", when, one, two)
		}
	}
	check("after")
	facts = n.insert(t, all) // an agent sends again the events that it still has
	if _, err := n.a.Recompute(t.Context(), &facts); err != nil {
		t.Fatal(err)
	}
	if err := n.a.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after a replay")
	later := theirOrder
	later.ID, later.Time, later.Received = "o3", start+2*day, start+2*day
	facts = n.insert(t, []protocol.Event{later})
	if _, err := n.a.Recompute(t.Context(), &facts); err != nil {
		t.Fatal(err)
	}
	if got := n.sources(t, "o3"); got != "[]" {
		t.Errorf("what they did since: %s", got)
	}
}

// TestAnOlderContentReplacesOneOfNewerSettings: of a message id the content that
// counts arrives last, and its time is before settings by which the other was
// attributed. A node that has not heard of these leaves the row alone.
func TestAnOlderContentReplacesOneOfNewerSettings(t *testing.T) {
	n := newNode(t, childtest.ClickHouse(t), "one", &watermarks{})
	short := attribution.Default()
	short.Generation, short.Lookback = 2, attribution.Hour
	settings := &told{list: []attribution.Settings{attribution.Default()}, from: []int64{0}, changed: make(chan struct{})}
	settings.tell(short, start)
	ignorant := &told{list: []attribution.Settings{attribution.Default()}, from: []int64{0}, changed: make(chan struct{})}
	attributor := func(s *told) *recompute.Attributor {
		a, err := recompute.New(recompute.Options{Store: n.store, Feed: n.store, Watermarks: &watermarks{}, Settings: s.at, Owner: "one"})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	knows, stale := attributor(settings), attributor(ignorant)
	click := clicked("t", "", "meta", start-day)
	click.AnonymousID = "a1"
	loser, winner := ordered("o", "a1", start+minute), ordered("o", "a1", start-minute)
	loser.Received, loser.Digest, winner.Received, winner.Digest = start+2*minute, 1, start+minute, 2
	for _, step := range []struct {
		name   string
		by     *recompute.Attributor
		events []protocol.Event
		want   string
	}{
		{"the one that loses, by newer settings", knows, []protocol.Event{click, loser}, "[]"},
		{"the one that counts, on a node that has not heard of them", stale, []protocol.Event{winner}, "[]"},
		{"the same on one that has", knows, []protocol.Event{winner}, "[meta]"},
		{"the loser again", knows, []protocol.Event{loser}, "[meta]"},
	} {
		facts := n.insert(t, step.events)
		if _, err := step.by.Recompute(t.Context(), &facts); err != nil {
			t.Fatal(err)
		}
		if got := n.sources(t, "o"); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}
