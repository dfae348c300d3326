package attribution_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// timeline are versions of the settings of all apps.
type timeline struct {
	from     []int64
	versions []attribution.Settings
}

func (l *timeline) at(_ string, ms int64) *attribution.Settings {
	s := &l.versions[0]
	for i := range l.from {
		if l.from[i] <= ms {
			s = &l.versions[i+1]
		}
	}
	return s
}

func drawTimeline(t *rapid.T) timeline {
	l := timeline{versions: []attribution.Settings{drawSettings(t)}}
	from := zero - 40*attribution.Day
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		from += rapid.Int64Range(0, 15*attribution.Day).Draw(t, "until the next change")
		next := drawSettings(t)
		next.Generation = l.versions[len(l.versions)-1].Generation + 1
		l.from, l.versions = append(l.from, from), append(l.versions, next)
	}
	return l
}

func (l *timeline) settle(events []protocol.Event) map[oracle.ID]attribution.Result {
	var f attribution.Facts
	for i := range events {
		f.AddSecret(&events[i], l.at(events[i].App, events[i].Time), attribution.Secret(secret))
	}
	results := map[oracle.ID]attribution.Result{}
	for _, r := range attribution.Settle(&f, l.at) {
		results[oracle.ID{App: r.App, Conversion: r.ID}] = r
	}
	return results
}

// TestEngineEqualsTheOracleWhileSettingsChange compares over versions of the
// settings, each as it stood at the conversion.
func TestEngineEqualsTheOracleWhileSettingsChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawTimeline(t)
		events := drawEvents(t, &l.versions[0])
		got := l.settle(events)
		for id, w := range oracle.RecomputeSecret(events, l.at, []byte(secret)) {
			if err := oracle.Compare(got[id], w); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// drawJourney draws one person: up to 40 touches, many at one instant or at the
// edge of a window, an install or several, openings and orders.
func drawJourney(t *rapid.T, s *attribution.Settings) []protocol.Event {
	var events []protocol.Event
	add := func(e protocol.Event, at int64) {
		e.App, e.ID, e.DeviceID = "app", fmt.Sprintf("m%03d", len(events)), "d"
		e.Time, e.Received = at, at
		events = append(events, e)
	}
	edges := []int64{0, 1, s.ClickWindow, s.ImpressionWindow, s.Lookback, s.Inactivity, s.Reengagement, attribution.Second, 10 * attribution.Second}
	near := func(name string) int64 {
		return zero - rapid.SampledFrom(edges).Draw(t, name) + rapid.Int64Range(-1, 1).Draw(t, "ms")
	}
	for range rapid.IntRange(0, 40).Draw(t, "touches") {
		e := protocol.Event{Kind: rapid.SampledFrom([]protocol.Kind{protocol.KindClick, protocol.KindClick, protocol.KindImpression, protocol.KindVisit}).Draw(t, "kind")}
		e.MediaSource = rapid.SampledFrom([]string{"google", "facebook", "email", "direct"}).Draw(t, "source")
		if rapid.IntRange(0, 2).Draw(t, "retargeting") == 0 {
			e.Flags |= protocol.FlagRetargeting
		}
		add(e, near("touch"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "installs") {
		add(protocol.Event{Kind: protocol.KindTrack, Name: attribution.InstallEvent}, near("install")-rapid.SampledFrom([]int64{0, s.Reengagement, s.Reattribution}).Draw(t, "earlier"))
	}
	for range rapid.IntRange(0, 5).Draw(t, "openings") {
		add(protocol.Event{Kind: protocol.KindTrack, Name: "Application Opened"}, near("opening"))
	}
	for range rapid.IntRange(1, 3).Draw(t, "orders") {
		add(protocol.Event{Kind: protocol.KindTrack, Name: "Order Completed", Flags: protocol.FlagHasRevenue, Currency: "EUR",
			Revenue: rapid.Int64Range(-1_000_000, 1_000_000_000).Draw(t, "revenue")}, near("order"))
	}
	return events
}

// TestJourneysAtTheEdges compares with the oracle where everything meets at the
// millisecond, and counts the outcomes and verdicts that occurred.
func TestJourneysAtTheEdges(t *testing.T) {
	met := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		events := drawJourney(t, &s)
		got := settleEvents(events, &s)
		for id, w := range recompute(events, &s) {
			if err := oracle.Compare(got[id], w); err != nil {
				t.Fatal(err)
			}
			met[string(w.Install.Outcome)]++
			if w.Retargeting.OpenID != "" {
				met["retargeted"]++
			}
			for _, c := range w.Candidates {
				met[string(c.Verdict)]++
			}
		}
	})
	for _, what := range []string{"reinstall", "re_attribution", "re_engagement", "retargeted", "won", "window_expired", "lower_tier", "older_touch",
		"after_conversion", "not_retargeting", "fraud_rejected"} {
		if met[what] == 0 {
			t.Errorf("no %s in any journey: %v", what, met)
		}
	}
}

// TestWiderWindowsExpireNothing: of installs that are new under both, no touch
// that was within its window is outside a longer one, and nothing that won is
// left without any winner, unless a longer view shows that the winning click had
// been reported before.
func TestWiderWindowsExpireNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		events := drawEvents(t, &s)
		s.Overrides, s.Fraud.DeviceFrequency = nil, attribution.Flag // of clicks before the span nothing is known
		wider := s
		wider.ClickWindow += rapid.Int64Range(0, 5*attribution.Day).Draw(t, "click")
		wider.ImpressionWindow += rapid.Int64Range(0, 5*attribution.Day).Draw(t, "impression")
		after := settleEvents(events, &wider)
		for id, r := range settleEvents(events, &s) {
			expired := map[string]bool{}
			for _, c := range after[id].Candidates {
				if c.Touch != nil && c.Verdict == attribution.WindowExpired {
					expired[c.Touch.ID] = true
				}
			}
			for _, c := range r.Candidates {
				if c.Touch != nil && c.Verdict != attribution.WindowExpired && expired[c.Touch.ID] {
					t.Fatalf("%v: %s is %s, and expired in a longer window", id, c.Touch.ID, c.Verdict)
				}
			}
			fresh := func(o attribution.Outcome) bool {
				return o != attribution.Reinstall && o != attribution.Reattribution
			}
			if a := after[id].Install.Outcome; r.Install.Outcome == attribution.NonOrganic && id.Conversion == r.Install.ID && fresh(a) && a != attribution.NonOrganic && !reportedBefore(r, after[id]) {
				t.Fatalf("%v: %s with the longer window, %s before", id, a, r.Install.Outcome)
			}
		}
	})
}

// reportedBefore reports whether the winner of a shorter view repeats, in a
// longer one, a click whose first report is expired and was not shown before.
func reportedBefore(shorter, longer attribution.Result) bool {
	shown := map[string]bool{}
	var winner *attribution.Touch
	for _, c := range shorter.Candidates {
		if c.Touch == nil {
			continue
		}
		shown[c.Touch.ID] = true
		if c.Verdict == attribution.Won {
			winner = c.Touch
		}
	}
	repeats, first := false, false
	for _, c := range longer.Candidates {
		if c.Touch == nil || winner == nil {
			continue
		}
		repeats = repeats || c.Touch.ID == winner.ID && c.Verdict == attribution.Duplicate
		first = first || c.Touch.ClickID == winner.ClickID && c.Verdict == attribution.WindowExpired && !shown[c.Touch.ID]
	}
	return repeats && first
}

// TestSplitBetweenNodes deals the events out to two nodes, some to both, each of
// which derives facts by itself: together they give the same bytes.
func TestSplitBetweenNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		events := drawEvents(t, &s)
		var nodes [2]attribution.Facts
		for i := range events {
			to := rapid.IntRange(0, 2).Draw(t, "node")
			for n := range nodes {
				if to == n || to == 2 {
					nodes[n].AddSecret(&events[i], &s, attribution.Secret(secret))
				}
			}
		}
		want := settleEvents(events, &s)
		for _, order := range [][2]int{{0, 1}, {1, 0}} {
			var f attribution.Facts
			for _, n := range order {
				f.Touches = append(f.Touches, nodes[n].Touches...)
				f.Conversions = append(f.Conversions, nodes[n].Conversions...)
				f.Links = append(f.Links, nodes[n].Links...)
			}
			for _, r := range attribution.Settle(&f, func(string, int64) *attribution.Settings { return &s }) {
				w := want[oracle.ID{App: r.App, Conversion: r.ID}]
				a, _ := r.AppendBinary(nil)
				b, _ := w.AppendBinary(nil)
				if string(a) != string(b) {
					t.Fatalf("%s depends on the split: %v", r.ID, oracle.Compare(r, w))
				}
			}
		}
	})
}
