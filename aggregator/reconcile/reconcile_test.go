package reconcile_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/reconcile"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

const start = int64(1_780_000_000_000)

// leases keeps what nodes share, as Postgres does for them.
type leases struct {
	mu    sync.Mutex
	marks map[string]time.Time
	owner string
}

func (l *leases) Watermark(_ context.Context, name string) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[name], nil
}

func (l *leases) SetWatermark(_ context.Context, name string, t time.Time, _ int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks[name] = t
	return nil
}

func (l *leases) Lease(_ context.Context, _, owner string, _ time.Duration) (int64, bool, error) {
	return 1, owner == l.owner, nil
}

// house is a warehouse with conversions that are attributed.
type house struct {
	store      *warehouse.Warehouse
	attributor *recompute.Attributor
	leases     *leases
	found      []int // reported differences
}

func settings() func(string, int64) *attribution.Settings {
	before, after := attribution.Default(), attribution.Default()
	after.Generation, after.Lookback = 2, 2*attribution.Day
	return func(_ string, at int64) *attribution.Settings {
		if at >= start+20*attribution.Minute {
			return &after
		}
		return &before
	}
}

func newHouse(t *testing.T) *house {
	t.Helper()
	store, err := warehouse.Open(t.Context(), warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &house{store: store, leases: &leases{marks: make(map[string]time.Time), owner: "one"}}
	h.attributor, err = recompute.New(recompute.Options{Store: store, Feed: store, Watermarks: h.leases, Settings: settings()})
	if err != nil {
		t.Fatal(err)
	}
	s := attribution.Default()
	var b warehouse.Batch
	add := func(e protocol.Event) {
		e.App, e.Original, e.Received, e.Payload = "shop", e.Time, e.Time, []byte("{}")
		b.Rows = append(b.Rows, warehouse.Row{Event: e, Agent: "agent"})
		b.Facts.Add(&e, &s)
	}
	for i := range 40 {
		user := fmt.Sprintf("u%d", i)
		for n := range 3 {
			add(protocol.Event{ID: fmt.Sprintf("t%d-%d", i, n), Kind: protocol.KindClick, Time: start - int64(n)*attribution.Day, UserID: user, MediaSource: []string{"google", "facebook", "mail"}[n]})
		}
		add(protocol.Event{ID: fmt.Sprintf("o%02d", i), Kind: protocol.KindTrack, Name: "Order Completed", Time: start + int64(i)*attribution.Minute, UserID: user,
			Flags: protocol.FlagHasRevenue, Revenue: 10_000_000, Currency: "EUR"})
	}
	if _, err := store.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := h.attributor.Recompute(t.Context(), &b.Facts); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) reconciler(t *testing.T, change func(*reconcile.Options)) *reconcile.Reconciler {
	t.Helper()
	o := reconcile.Options{Store: h.store, Repairer: h.attributor, Settings: settings(), Settle: -1, PageSize: 20, Leases: h.leases, Owner: "one",
		Apps: func() []string { return []string{"shop"} }, Report: func(n int) { h.found = append(h.found, n) }, Registerer: prometheus.NewRegistry()}
	if change != nil {
		change(&o)
	}
	r, err := reconcile.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// damage spoils stored rows in ways that their digests do not show, and one by
// its inputs.
func (h *house) damage(t *testing.T) {
	t.Helper()
	rows, err := h.store.Attributions(t.Context(), "shop", []string{"o03", "o11", "o25", "o30"})
	if err != nil || len(rows) != 4 {
		t.Fatal(err, len(rows))
	}
	rows[0].Result.Touches[0].Credit[attribution.TimeDecay]--
	rows[1].Result.Touches[0].Revenue[attribution.Linear]++
	rows[2].Result.Install.Reason = "invented"
	rows[3].Result.Touches, rows[3].Result.InputDigest = nil, 7
	for i := range rows {
		rows[i].Version++
	}
	if err := h.store.InsertAttributions(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsFoundAndRepaired(t *testing.T) {
	h := newHouse(t)
	r := h.reconciler(t, nil)
	for _, step := range []struct {
		name   string
		damage bool
		want   reconcile.Outcome
	}{
		{"as attributed", false, reconcile.Outcome{Compared: 40}},
		{"damaged", true, reconcile.Outcome{Compared: 40, Different: 4, Repaired: 4}},
		{"repaired", false, reconcile.Outcome{Compared: 40}},
	} {
		if step.damage {
			h.damage(t)
		}
		got, err := r.Range(t.Context(), "shop", start, start+attribution.Day)
		if err != nil || got != step.want {
			t.Errorf("%s: %+v %v, want %+v", step.name, got, err, step.want)
		}
	}
	got, err := r.Range(t.Context(), "shop", start+10*attribution.Minute, start+12*attribution.Minute)
	if err != nil || got.Compared != 2 {
		t.Errorf("a range is half-open: %+v %v", got, err)
	}
}

// idle repairs nothing.
type idle struct{}

func (idle) Recompute(context.Context, *attribution.Facts) (int, error) { return 0, nil }
func (idle) Rewrite(context.Context, string, []string) (int, error)     { return 0, nil }

func TestWhatCannotBeRepairedIsDisputed(t *testing.T) {
	h := newHouse(t)
	h.damage(t)
	r := h.reconciler(t, func(o *reconcile.Options) { o.Repairer = idle{} })
	got, err := r.Range(t.Context(), "shop", start, start+attribution.Day)
	if want := (reconcile.Outcome{Compared: 40, Different: 4, Disputed: 4}); err != nil || got != want {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
}

// TestStandingJobGoesRound steps through all pages, hands over to another node
// half way, and begins again at the end.
func TestStandingJobGoesRound(t *testing.T) {
	h := newHouse(t)
	h.damage(t)
	now := time.UnixMilli(start + attribution.Day)
	first, second := h.reconciler(t, nil), h.reconciler(t, func(o *reconcile.Options) { o.Owner = "two" })
	total := func() (n int) {
		for _, f := range h.found {
			n += f
		}
		return n
	}
	for turn := range 1 {
		if err := second.Step(t.Context(), now, turn); err != nil || len(h.found) != turn {
			t.Fatal("a node without the lease works", err, h.found)
		}
		if err := first.Step(t.Context(), now, turn); err != nil {
			t.Fatal(err)
		}
	}
	h.leases.owner = "two"
	for turn := range 3 {
		if err := second.Step(t.Context(), now, turn); err != nil {
			t.Fatal(err)
		}
	}
	if total() != 4 || len(h.found) != 4 {
		t.Errorf("found %v, want 4 differences in 3 pages and at the end", h.found)
	}
	if mark := h.leases.marks[reconcile.LeaseName+"/shop"]; !mark.Before(time.UnixMilli(start)) {
		t.Errorf("after the last page the job is at %v, want the beginning", mark)
	}
	if err := second.Step(t.Context(), now, 0); err != nil || len(h.found) != 5 {
		t.Error("the second round", err)
	}
}

// TestSettingsApplyFromTheirTime holds both versions of the settings apart.
func TestSettingsApplyFromTheirTime(t *testing.T) {
	h := newHouse(t)
	rows, err := h.store.Attributions(t.Context(), "shop", []string{"o19", "o20"})
	if err != nil || len(rows) != 2 || len(rows[0].Result.Touches) != 3 || len(rows[1].Result.Touches) != 2 {
		t.Fatal(err, len(rows))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := reconcile.New(reconcile.Options{}); err == nil {
		t.Error("a reconciler without a store")
	}
}

// TestWhatIfOverwritesNothing attributes under other settings and compares.
func TestWhatIfOverwritesNothing(t *testing.T) {
	h := newHouse(t)
	other := attribution.Default()
	other.Lookback = attribution.Day + 5*attribution.Minute
	run, err := h.store.WhatIf(t.Context(), "shop", "short", "{}")
	if err != nil {
		t.Fatal(err)
	}
	a, err := recompute.New(recompute.Options{Store: run, Feed: h.store, Watermarks: h.leases, Settings: func(string, int64) *attribution.Settings { return &other }})
	if err != nil {
		t.Fatal(err)
	}
	computed := 0
	for range 2 { // done again, it is the same
		span := reconcile.Span{App: "shop", From: start, To: start + 10*attribution.Minute, PageSize: 4}
		err = reconcile.Pages(t.Context(), h.store, span, func(page []attribution.Conversion) error {
			for i := range page {
				n, err := a.Rewrite(t.Context(), "shop", []string{page[i].ID})
				if computed += n; err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	shifts, err := run.Shifts(t.Context())
	if err != nil || computed != 20 {
		t.Fatal(err, computed)
	}
	sums := map[string][2]int64{}
	for _, s := range shifts {
		sums[s.Model] = [2]int64{sums[s.Model][0] + s.Now, sums[s.Model][1] + s.WhatIf}
		if s.Model == "first_touch" && s.MediaSource == "mail" && (s.Now != 10*attribution.Million || s.WhatIf != 0) {
			t.Errorf("first touch: %+v, want all of 10 conversions before and none under the short lookback", s)
		}
	}
	for model, sum := range sums {
		if sum != [2]int64{10 * attribution.Million, 10 * attribution.Million} {
			t.Errorf("%s adds up to %v, want 10 conversions both times", model, sum)
		}
	}
	if len(sums) != int(attribution.ModelCount) {
		t.Errorf("%d models", len(sums))
	}
	if got, err := h.reconciler(t, nil).Range(t.Context(), "shop", start, start+attribution.Day); err != nil || got.Different != 0 {
		t.Errorf("a what-if changed attributions: %+v %v", got, err)
	}
	if _, err := h.store.WhatIf(t.Context(), "shop", "short", `{"lookback_ms":1}`); err == nil {
		t.Error("a run went on under other settings")
	}
}
