package warehouse

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// TestLostJourneysAreThoseOfPeopleWithoutAConversion adds people to the shop who
// only looked, one of them on two devices that a link makes one.
func TestLostJourneysAreThoseOfPeopleWithoutAConversion(t *testing.T) {
	w, q := shop(t)
	touch := func(id, user, source string, minute int64) protocol.Event {
		e := click(id, user, base+minute*60_000)
		e.MediaSource = source
		return e
	}
	alias := protocol.Event{ID: "alias", Kind: protocol.KindAlias, Original: base, Time: base, UserID: "looker", PreviousID: "looker-phone", Digest: 1}
	late := touch("l9", "looker", "Newsletter", 4)
	attributed(t, w, touch("l1", "looker", "Google Ads", 1), touch("l2", "looker-phone", "Facebook", 2), touch("l3", "looker-phone", "Facebook", 3), late,
		touch("l4", "other", "TikTok", 1), touch("l4", "other", "TikTok", 1), alias)
	lost, err := report.LostJourneys(t.Context(), w, q, false)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, j := range lost {
		lines = append(lines, fmt.Sprintf("%s ×%d", strings.Join(j.Channels, ">"), j.Lost))
	}
	slices.Sort(lines)
	same(t, lines, `["Google Ads\u003eFacebook\u003eNewsletter ×1","TikTok ×1"]`)
	if lost, err = report.LostJourneys(t.Context(), w, q, true); err != nil {
		t.Fatal(err)
	}
	people := int64(0)
	for _, j := range lost {
		people += j.Lost
	}
	if people != 3 { // u9 saw an impression
		t.Errorf("with impressions: %+v", lost)
	}

	sums, err := report.Journeys(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	result, err := q.Learn(sums, lost)
	if err != nil || result.Conversions != 4 || result.Lost != 3 || result.Markov == nil || result.Shapley == nil || result.Note != "" {
		t.Fatalf("%+v %v", result, err)
	}
	if result.Markov.Total.Conversions != "4.000000" || result.Shapley.Total.Conversions != "4.000000" {
		t.Errorf("%+v", result)
	}
}

func TestEffectOfAWhatIf(t *testing.T) {
	w, q := shop(t)
	ids, of, err := w.SampleConversions(t.Context(), q.App, q.From.UnixMilli(), q.To.UnixMilli(), 3)
	if err != nil || len(ids) != 3 || of != 4 {
		t.Fatal(ids, of, err)
	}
	again, _, err := w.SampleConversions(t.Context(), q.App, q.From.UnixMilli(), q.To.UnixMilli(), 3)
	if err != nil || !slices.Equal(ids, again) {
		t.Errorf("another sample: %v %v", again, err)
	}
	run, err := w.WhatIf(t.Context(), q.App, "r1", "{}")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := w.Attributions(t.Context(), q.App, []string{"i1", "o1", "o2"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows { // as if nothing counted any more
		rows[i].Result.Touches, rows[i].Result.Candidates = nil, nil
		rows[i].Result.Install = attribution.Install{ID: rows[i].Result.Install.ID, Outcome: attribution.OrganicInstall}
	}
	if err := run.InsertAttributions(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	got, err := run.Effect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Conversions != 3 || got.Changed < 2 {
		t.Errorf("%d of %d changed", got.Changed, got.Conversions)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"model":"linear","media_source":"organic","now":"1.000000","what_if":"3.000000","revenue":[{"currency":"EUR","now":"0.000000","what_if":"140.000000"},{"currency":"USD","now":"20.500000","what_if":"20.500000"}]}`,
		`{"model":"first_touch","media_source":"Google Ads","now":"1.000000","what_if":"0.000000","revenue":[{"currency":"EUR","now":"140.000000","what_if":"0.000000"}]}`,
		`{"result":"non_organic","media_source":"TikTok","now":1,"what_if":0}`, `{"result":"organic","media_source":"","now":0,"what_if":1}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if err := w.Forget(t.Context(), q.App, "r1"); err != nil {
		t.Fatal(err)
	}
	if got, err = run.Effect(t.Context()); err != nil || got.Conversions != 0 || len(got.Rows) != 0 {
		t.Errorf("after it is forgotten: %+v %v", got, err)
	}
	if rows, err := w.Attributions(t.Context(), q.App, []string{"o1"}); err != nil || len(rows) != 1 || len(rows[0].Result.Touches) != 3 {
		t.Errorf("what is stored has changed: %+v %v", rows, err)
	}
}

// TestAnIDUsedTwiceCountsWhereItsWinnerIs sends another content of an order's id
// and of a click's, in the range, while the content that counts lies before it.
func TestAnIDUsedTwiceCountsWhereItsWinnerIs(t *testing.T) {
	w, q := shop(t)
	before, err := report.Overview(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	early := q.From.UnixMilli() - 3*60*60_000
	winner, loser := order("edge", "u7", early, 1_000_000), order("edge", "u7", base+60_000, 2_000_000)
	first, second := click("edge-click", "u7", early), click("edge-click", "u7", base+60_000)
	for i, e := range []*protocol.Event{&winner, &first, &loser, &second} {
		e.Received, e.Digest = early+int64(i)*60_000, uint64(i+1)
	}
	attributed(t, w, winner, first)
	attributed(t, w, loser, second)
	var variants []attribution.Variant
	for _, e := range []protocol.Event{winner, loser, first, second} {
		variants = append(variants, attribution.Variant{App: q.App, ID: e.ID, Digest: e.Digest, Received: e.Received})
	}
	if err := w.RecordConflicts(t.Context(), variants); err != nil {
		t.Fatal(err)
	}
	after, err := report.Overview(t.Context(), w, q)
	if err != nil || after.Conversions != before.Conversions || after.Clicks != before.Clicks || !slices.Equal(after.Revenue, before.Revenue) {
		t.Errorf("%+v %v, before %+v", after, err, before)
	}
	q.From = q.From.AddDate(0, 0, -1)
	if wider, err := report.Overview(t.Context(), w, q); err != nil || wider.Conversions != before.Conversions+1 || wider.Clicks != before.Clicks+1 {
		t.Errorf("with the winner in range: %+v %v", wider, err)
	}
}
