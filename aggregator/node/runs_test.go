package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/aggregator/runs"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// laboratory is an app with orders that a click three days before led to, and one
// install by a click of the day before, all attributed.
func laboratory(t *testing.T) (studies, string, runs.Span) {
	t.Helper()
	a, w := databases(t)
	app, err := a.Apps.CreateApp(t.Context(), apps.App{Name: "Shop", Currency: "EUR"})
	if err != nil {
		t.Fatal(err)
	}
	at, settings := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC).UnixMilli(), attribution.Default()
	var b warehouse.Batch
	add := func(e protocol.Event) {
		e.App, e.ID, e.Original, e.Received, e.Payload = app.ID, fmt.Sprintf("m%d", len(b.Rows)), e.Time, e.Time, []byte("{}")
		b.Rows = append(b.Rows, warehouse.Row{Event: e, Agent: "agent"})
		b.Facts.Add(&e, &settings)
	}
	for i := range 20 {
		user := fmt.Sprintf("u%d", i)
		add(protocol.Event{Kind: protocol.KindClick, Time: at - 3*attribution.Day, MediaSource: "google", UserID: user})
		add(protocol.Event{Kind: protocol.KindTrack, Name: "Order Completed", Time: at + int64(i), UserID: user, Revenue: 10_000_000, Currency: "EUR", Flags: protocol.FlagHasRevenue})
	}
	add(protocol.Event{Kind: protocol.KindClick, Time: at - 2*attribution.Day, MediaSource: "meta", UserID: "installer"})
	add(protocol.Event{Kind: protocol.KindTrack, Name: attribution.InstallEvent, Time: at, UserID: "installer"})
	add(protocol.Event{Kind: protocol.KindClick, Time: at - 2*attribution.Day, MediaSource: "meta", UserID: "looker"})
	if _, err := w.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s := studies{w, a}
	attributor, err := s.under(w, settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attributor.Recompute(t.Context(), &b.Facts); err != nil {
		t.Fatal(err)
	}
	return s, app.ID, runs.Span{From: time.UnixMilli(at).AddDate(0, 0, -7), To: time.UnixMilli(at).AddDate(0, 0, 7)}
}

func row(t *testing.T, e report.EffectResult, model, source string) report.EffectRow {
	t.Helper()
	for _, r := range e.Rows {
		if r.Model == model && r.MediaSource == source {
			return r
		}
	}
	t.Fatalf("no %s under %s in %+v", source, model, e)
	return report.EffectRow{}
}

// short makes nothing older than a day count.
func short() attribution.Settings {
	s := attribution.Default()
	s.Lookback, s.ClickWindow = attribution.Day, attribution.Day
	return s
}

func TestPreviewIsWhatTheRunFinds(t *testing.T) {
	s, app, span := laboratory(t)
	preview, err := s.Preview(t.Context(), app, short(), span.From.UnixMilli(), span.To.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	if preview.Conversions != 21 || preview.Of != 21 || preview.Changed != 21 {
		t.Errorf("%+v", preview)
	}
	google := row(t, preview, "linear", "google")
	if google.Now != "20.000000" || google.WhatIf != "0.000000" || google.Revenue[0] != (report.EffectMoney{Currency: "EUR", Now: "200.000000", WhatIf: "0.000000"}) {
		t.Errorf("%+v", google)
	}
	if len(preview.Installs) != 2 || preview.Installs[0].Now+preview.Installs[1].Now != 1 || preview.Installs[0].WhatIf+preview.Installs[1].WhatIf != 1 {
		t.Errorf("%+v", preview.Installs)
	}
	same, err := s.Preview(t.Context(), app, attribution.Default(), span.From.UnixMilli(), span.To.UnixMilli())
	if err != nil || same.Changed != 0 {
		t.Errorf("under its own settings: %+v %v", same, err)
	}

	run, err := s.accounts.Runs.CreateRun(t.Context(), app, runs.WhatIf, "Short", runs.WhatIfParameters{Span: span, Settings: short()})
	if err != nil {
		t.Fatal(err)
	}
	var found report.EffectResult
	finished(t, s, run, &found)
	text, _ := json.Marshal(found)
	want, _ := json.Marshal(preview)
	if !bytes.Equal(text, want) {
		t.Errorf("the run found\n%s\nthe preview\n%s", text, want)
	}
	if err := s.Forget(t.Context(), app, run.ID); err != nil {
		t.Fatal(err)
	}
}

func TestLearningRunCountsWhoDidNotConvert(t *testing.T) {
	s, app, span := laboratory(t)
	run, err := s.accounts.Runs.CreateRun(t.Context(), app, runs.DataDriven, "", runs.DataDrivenParameters{Span: span, Currency: "USD"})
	if err != nil {
		t.Fatal(err)
	}
	var found report.DataDrivenResult
	finished(t, s, run, &found)
	if found.Conversions != 21 || found.Lost != 1 || found.Markov == nil || found.Shapley == nil {
		t.Fatalf("%+v", found)
	}
	if total := found.Markov.Total; total.Conversions != "21.000000" || total.Revenue != "0.000000" || len(total.Unconverted) != 1 || total.Unconverted[0].Amount != "200.000000" {
		t.Errorf("%+v", total)
	}
}

// finished has a node do the run and reads the result.
func finished(t *testing.T, s studies, run apps.Run, into any) {
	t.Helper()
	settings := attribution.Default()
	runner, err := runs.New(runs.Options{Store: s.accounts.Runs, Owner: "node", Poll: 10 * time.Millisecond, Kinds: map[string]runs.Kind{
		runs.WhatIf:     runs.Simulate(s),
		runs.DataDriven: runs.Learn(s.warehouse, fixedDirectory{s.accounts.Apps, &settings}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = runner.Run(ctx) })
	defer wg.Wait()
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		got, err := s.accounts.Runs.Run(t.Context(), run.App, run.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.State == apps.RunDone {
			if err := json.Unmarshal(got.Result, into); err != nil {
				t.Fatal(err)
			}
			return
		}
		if got.State != apps.RunPending && got.State != apps.RunRunning {
			t.Fatalf("%+v", got)
		}
	}
	t.Fatal("the run is not done")
}

type fixedDirectory struct {
	*apps.Apps
	settings *attribution.Settings
}

func (d fixedDirectory) Settings(string, int64) *attribution.Settings { return d.settings }

func TestStoryTellsLinksAndWhatHasNoShare(t *testing.T) {
	s, app, span := laboratory(t)
	at := span.To.AddDate(0, 0, -7).UnixMilli()
	settings := attribution.Default()
	var b warehouse.Batch
	add := func(id string, e protocol.Event) {
		e.App, e.ID, e.Original, e.Payload = app, id, e.Time, []byte("{}")
		if e.Received == 0 {
			e.Received = e.Time
		}
		b.Rows = append(b.Rows, warehouse.Row{Event: e, Agent: "agent"})
		b.Facts.Add(&e, &settings)
	}
	add("phone", protocol.Event{Kind: protocol.KindClick, Time: at - attribution.Day, MediaSource: "mail", UserID: "ann-phone"})
	add("alias", protocol.Event{Kind: protocol.KindAlias, Time: at - attribution.Hour, UserID: "ann", PreviousID: "ann-phone"})
	add("late", protocol.Event{Kind: protocol.KindClick, Time: at - attribution.Hour, Received: at + 30*attribution.Day, MediaSource: "tiktok", UserID: "ann"})
	add("old", protocol.Event{Kind: protocol.KindClick, Time: at - 40*attribution.Day, MediaSource: "meta", UserID: "ann"})
	add("after", protocol.Event{Kind: protocol.KindClick, Time: at + attribution.Hour, MediaSource: "meta", UserID: "ann"})
	add("order", protocol.Event{Kind: protocol.KindTrack, Name: "Order Completed", Time: at, UserID: "ann"})
	if _, err := s.warehouse.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	attributor, err := s.under(s.warehouse, settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attributor.Recompute(t.Context(), &b.Facts); err != nil {
		t.Fatal(err)
	}
	e := evidence{s.warehouse, func(string, int64) *attribution.Settings { return &settings }}
	got, err := e.Around(t.Context(), app, "order")
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, o := range got.OtherTouches {
		reasons = append(reasons, o.TouchID+" "+o.Reason)
	}
	if text := fmt.Sprint(reasons); text != "[after after_conversion late late old window_expired]" {
		t.Error(text)
	}
	if len(got.Links) != 3 || got.Links[0].Late || len(got.Keys) == 0 {
		t.Errorf("%+v", got)
	}
	late, err := report.ListLate(t.Context(), s.warehouse, report.Query{App: app, From: span.From, To: span.To, Settings: &settings})
	if err != nil || len(late.Data) != 1 || late.Data[0].Refused != 1 || late.Data[0].MediaSource != "tiktok" {
		t.Errorf("%+v %v", late, err)
	}
	if err := s.warehouse.RecordConflicts(t.Context(), []attribution.Variant{{App: app, ID: "x", Digest: 2, Received: 5}, {App: app, ID: "x", Digest: 1, Received: 7}, {App: app, ID: "y", Digest: 3, Received: 1}, {App: app, ID: "y", Digest: 4, Received: 2}}); err != nil {
		t.Fatal(err)
	}
	page, err := e.Conflicts(t.Context(), app, "", 1)
	if err != nil || len(page.Data) != 1 || page.NextCursor == nil || page.Data[0].Variants[0].Digest != "0000000000000002" {
		t.Fatalf("%+v %v", page, err)
	}
	if page, err = e.Conflicts(t.Context(), app, *page.NextCursor, 1); err != nil || len(page.Data) != 1 || page.Data[0].ID != "y" || page.NextCursor != nil {
		t.Errorf("%+v %v", page, err)
	}
}
