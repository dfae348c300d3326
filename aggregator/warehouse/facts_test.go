package warehouse

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestLinksAreFoundFromEitherEnd(t *testing.T) {
	w := open(t)
	link := protocol.Event{ID: "l1", Kind: protocol.KindIdentify, Original: base, Time: base, UserID: "u1", AnonymousID: "a1", Digest: 1, Received: base + 900}
	earlier := link
	earlier.ID, earlier.Received = "l0", base+100
	insert(t, w, link)
	insert(t, w, earlier)
	insert(t, w, link)
	want := []attribution.Link{{App: "app", A: "anon:a1", B: "user:u1", Received: base + 100}}
	for _, key := range []string{"user:u1", "anon:a1"} {
		got, err := w.Links(t.Context(), "app", []string{key, "user:nobody"})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("links of %s: %v %v", key, got, err)
		}
	}
	if got, err := w.Links(t.Context(), "other", []string{"user:u1"}); err != nil || len(got) > 0 {
		t.Errorf("links of another app: %v %v", got, err)
	}
}

func TestTouchesComeBackAsTheyWere(t *testing.T) {
	w := open(t)
	e := protocol.Event{
		ID: "t1", Kind: protocol.KindClick, Original: base, Time: base + 5, Received: base + 9, Digest: 1<<63 + 7, UserID: "u1", DeviceID: "d'1\\",
		ClickID: "k1", MediaSource: "Google Ads", Medium: "cpc", Campaign: "spring\x00", AdSet: "set", Ad: "ad", Keyword: "shoes", Sub: [5]string{"", "two"},
		LinkID: "link", Cost: -5, CostCurrency: "EUR", Flags: protocol.FlagRetargeting,
	}
	b := batch(e)
	b.Facts.Touches[0].Opened, b.Facts.Touches[0].Marks = true, 5
	if _, err := w.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, key := range b.Facts.Touches[0].Keys {
		got, err := w.Touches(t.Context(), "app", []string{key}, base, base+5)
		if err != nil || len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(b.Facts.Touches[0]) {
			t.Errorf("by %s: %+v %v\nwant %+v", key, got, err, b.Facts.Touches[0])
		}
	}
	for name, span := range map[string][2]int64{"too early": {base + 5, base + 9}, "too late": {base, base + 4}} {
		if got, err := w.Touches(t.Context(), "app", []string{"user:u1"}, span[0], span[1]); err != nil || len(got) > 0 {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

func TestConversionsComeBackAsTheyWere(t *testing.T) {
	w := open(t)
	e := order("o1", "u1", base, -140_000_001)
	e.ClickID, e.Received = "k1", base+50
	b := batch(e)
	if _, err := w.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(b.Facts.Conversions)
	if got, err := w.ConversionsByID(t.Context(), "app", []string{"o1", "o2"}); err != nil || fmt.Sprint(got) != want {
		t.Errorf("by id: %v %v", got, err)
	}
	if got, err := w.ConversionsOf(t.Context(), "app", []string{"user:u1", "anon:anon-u1"}, base); err != nil || !slices.Equal(got, []string{"o1"}) {
		t.Errorf("by key: %v %v", got, err)
	}
	if got, err := w.ConversionsOf(t.Context(), "app", []string{"user:u1"}, base+1); err != nil || len(got) > 0 {
		t.Errorf("later: %v %v", got, err)
	}
}

// TestOneVariantCountsEverywhere uses a message id three times, with another
// person, hour and month.
func TestOneVariantCountsEverywhere(t *testing.T) {
	w := open(t)
	first, second, third := click("same", "u1", base), click("same", "u2", base+7_200_000), click("same", "u3", base)
	first.Received, second.Received, third.Received = base+300, base+200, base+400
	for _, e := range []protocol.Event{third, second, first} {
		insert(t, w, e)
	}
	for user, want := range map[string]int{"u1": 0, "u2": 1, "u3": 0} {
		if got, err := w.Touches(t.Context(), "app", []string{"user:" + user}, 0, base*2); err != nil || len(got) != want {
			t.Errorf("%s: %d touches, want %d (%v)", user, len(got), want, err)
		}
	}
}

func TestSincePagesThroughEverything(t *testing.T) {
	w := open(t)
	var events []protocol.Event
	for i := range 30 {
		events = append(events, click(fmt.Sprintf("t%d", i), fmt.Sprintf("u%d", i), base), order(fmt.Sprintf("o%d", i), fmt.Sprintf("u%d", i), base, 1))
	}
	insert(t, w, events...)
	again := click("t3", "somebody-else", base)
	again.Received, again.Digest = base, 9
	insert(t, w, again)

	now, err := w.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	touches, links, conversions := map[string]int{}, 0, map[string]int{}
	for cursor, pages := "", 0; ; pages++ {
		facts, next, err := w.Since(t.Context(), now.Add(-time.Minute), now.Add(time.Minute), cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range facts.Touches {
			touches[f.ID]++
			if f.ID == "t3" && !slices.Contains(f.Keys, "user:u3") && !slices.Contains(f.Keys, "user:somebody-else") {
				t.Errorf("keys of a variant: %v", f.Keys)
			}
		}
		for _, f := range facts.Conversions {
			conversions[f.ID]++
		}
		links += len(facts.Links)
		if next == "" {
			if pages < 10 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		cursor = next
	}
	if len(touches) != 30 || len(conversions) != 30 || links != 30 {
		t.Errorf("%d touches, %d conversions, %d links, want 30 of each", len(touches), len(conversions), links)
	}
	if touches["t4"] != 1 || touches["t3"] < 3 {
		t.Errorf("t4 came %d times, want 1; t3 %d times, want both variants besides the rows", touches["t4"], touches["t3"])
	}
	facts, next, err := w.Since(t.Context(), now.Add(time.Minute), now.Add(time.Hour), "", 100)
	if err != nil || next != "" || len(facts.Touches)+len(facts.Links)+len(facts.Conversions) > 0 {
		t.Errorf("nothing was stored later: %v %q %v", facts, next, err)
	}
}
