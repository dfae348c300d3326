package attribution_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution/oracle"
	"github.com/unmogrowp/unmogrowp/protocol"
)

const secret = "a secret of the installation"

const zero = int64(1_780_000_000_000) // some millisecond of 2026

// drawSettings draws valid settings, mostly small so that edges are met.
func drawSettings(t *rapid.T) attribution.Settings {
	s := attribution.Default()
	s.Generation = rapid.Uint64Range(1, 9).Draw(t, "generation")
	days := func(name string, low, high int64) int64 {
		return attribution.Day * rapid.Int64Range(low, high).Draw(t, name)
	}
	s.Lookback = days("lookback", 1, 40)
	s.ClickWindow = days("click window", 1, 10)
	s.ImpressionWindow = attribution.Hour * rapid.Int64Range(1, 48).Draw(t, "impression window")
	s.Reattribution = days("reattribution", 1, 20)
	s.Lateness = days("lateness", 0, 5)
	s.HalfLife = rapid.OneOf(rapid.Just(7*attribution.Day), rapid.Int64Range(attribution.Hour, 90*attribution.Day)).Draw(t, "half-life")
	s.PositionFirst = rapid.Int64Range(0, attribution.Million).Draw(t, "first")
	s.PositionLast = rapid.Int64Range(0, attribution.Million-s.PositionFirst).Draw(t, "last")
	s.PositionMiddle = attribution.Million - s.PositionFirst - s.PositionLast
	s.Transform = rapid.SampledFrom([]attribution.Transform{attribution.TransformNone, attribution.CollapseRepeats, attribution.IgnoreDirect}).Draw(t, "transform")
	s.ImpressionsInMTA = rapid.Bool().Draw(t, "impressions")
	if rapid.Bool().Draw(t, "overrides") {
		s.Overrides = []attribution.Override{
			{LinkID: "l1", ClickWindow: attribution.Hour}, {MediaSource: "google", ClickWindow: 2 * attribution.Day, ImpressionWindow: 3 * attribution.Hour},
		}
	}
	s.Inactivity, s.Reengagement = days("inactivity", 0, 4), days("re-engagement", 1, 20)
	s.Probabilistic = rapid.Bool().Draw(t, "probabilistic")
	s.ProbabilisticClick = attribution.Hour * rapid.Int64Range(1, 72).Draw(t, "probabilistic click")
	s.ProbabilisticImpression = attribution.Hour * rapid.Int64Range(1, 30).Draw(t, "probabilistic impression")
	s.CountOrdersOnce, s.ExcludeUntrusted = rapid.Bool().Draw(t, "orders once"), rapid.Bool().Draw(t, "exclude untrusted")
	for _, r := range attribution.FraudRules() {
		*s.Fraud.Action(r.Name) = rapid.SampledFrom([]attribution.Action{attribution.Off, attribution.Flag, attribution.Flag, attribution.Reject}).Draw(t, "action")
	}
	s.Fraud.MaxClicks = rapid.Int64Range(1, 3).Draw(t, "max clicks")
	s.Fraud.MaxClicksWindow = attribution.Second * rapid.Int64Range(1, 86400).Draw(t, "max clicks window")
	s.BlockedRanges = rapid.SampledFrom([][]attribution.Range{nil, {"192.0.2.0/30", "2001:db8::1"}, {"192.0.2.9"}}).Draw(t, "blocked")
	if rapid.Bool().Draw(t, "openings convert") {
		s.ConversionEvents = append(s.ConversionEvents, "Application Opened")
	}
	if faults := s.Validate(); len(faults) > 0 {
		t.Fatalf("settings: %v", faults)
	}
	return s
}

// drawTime draws a time that is often exactly a window's edge from zero.
func drawTime(t *rapid.T, s *attribution.Settings) int64 {
	edges := []int64{0, s.Lookback, s.ClickWindow, s.ImpressionWindow, s.Reattribution, attribution.Day, attribution.Hour}
	at := zero - rapid.SampledFrom(edges).Draw(t, "edge")
	switch rapid.IntRange(0, 3).Draw(t, "where") {
	case 0:
		return at + rapid.Int64Range(-1, 1).Draw(t, "ms")
	case 1:
		return at + rapid.Int64Range(-3, 3).Draw(t, "days")*attribution.Day
	}
	return zero + rapid.Int64Range(-45*attribution.Day, 3*attribution.Day).Draw(t, "t")
}

// drawEvent draws one message of a small world: few people, few click ids.
func drawEvent(t *rapid.T, n int, s *attribution.Settings) protocol.Event {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	e := protocol.Event{
		App: pick("app", "app", "app", "app", "other"), ID: fmt.Sprintf("e%02d", n), Time: drawTime(t, s),
		Digest:      rapid.Uint64Range(0, 3).Draw(t, "digest"),
		UserID:      pick("user", "", "", "u1", "u2", "null"),
		AnonymousID: pick("anon", "", "a1", "a2", "a3"),
		DeviceID:    pick("device", "", "", "d1", "d2"),
		GAID:        pick("gaid", "", "", "", "AB-1", "ab-1", "00000000-0000", "38400000-8cf0-11bd-b23e-10b96e40000d"),
		Consent:     protocol.Consent(0).With(protocol.PurposeAttribution, rapid.SampledFrom([]uint8{0, 0, 0, 1, 1, 2}).Draw(t, "consent")),
	}
	e.IP = pick("ip", "", "192.0.2.1", "192.0.2.9", "2001:db8::1", "2001:db8::2", "nonsense")
	e.UserAgent = pick("agent", "", "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36", "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ1A)",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)")
	if rapid.IntRange(0, 9).Draw(t, "bot") == 0 {
		e.Flags |= protocol.FlagBot
	}
	if rapid.IntRange(0, 9).Draw(t, "crowd") == 0 {
		e.Flags |= protocol.FlagCrowd
	}
	for flag, rare := range map[protocol.Flags]int{protocol.FlagTrusted: 3, protocol.FlagHistorical: 9} {
		if rapid.IntRange(0, rare).Draw(t, fmt.Sprint("flag ", flag)) == 0 {
			e.Flags |= flag
		}
	}
	e.Received = e.Time + rapid.SampledFrom([]int64{0, 0, 1000, s.Lateness, s.Lateness + 1, 2 * attribution.Day}).Draw(t, "delay")
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1, 2:
		e.Kind = rapid.SampledFrom([]protocol.Kind{protocol.KindClick, protocol.KindClick, protocol.KindImpression, protocol.KindVisit}).Draw(t, "touch")
		e.MediaSource = pick("source", "google", "facebook", "direct", "")
		e.ClickID = pick("click", "", "", "k1", "k2", "{click_id}")
		e.LinkID = pick("link", "", "", "l1")
		if rapid.Bool().Draw(t, "retargeting") {
			e.Flags |= protocol.FlagRetargeting
		}
	case 3, 4:
		e.Kind, e.Name = protocol.KindPage, pick("page", "Home", "Order Completed")
		e.MediaSource, e.ClickID, e.Network = pick("source", "", "", "email"), pick("click", "", "", "k1", "k2", "e01", "g2"), pick("network", "", "", "google")
		e.Stated = rapid.SampledFrom([]protocol.Stated{0, 0, protocol.StatedBySite}).Draw(t, "stated")
		e.Payload = []byte(pick("payload", `{}`, `{"context":{"page":{"search":"?gclid=g1&utm_campaign=x"}}}`,
			`{"properties":{"url":"https://shop/?fbclid=f1#utm_source=no","search":7}}`, `{"context":{"page":{"url":"https://shop/?utm_source=news&utm_medium=mail"}}}`))
	case 5:
		e.Kind = protocol.KindIdentify
		if e.UserID != "" && rapid.Bool().Draw(t, "alias") {
			e.Kind, e.PreviousID = protocol.KindAlias, pick("previous", "a1", "u2")
		}
	case 6, 7:
		e.Kind, e.Name = protocol.KindTrack, "Application Installed"
		e.ClickID = pick("click", "", "", "k1", "k3", "e03", "g2")
		e.Network = pick("network", "", "", "google")
		e.MediaSource, e.Campaign = pick("source", "", "", "Meta", "partner", "direct"), pick("campaign", "", "c")
		e.Stated = rapid.SampledFrom([]protocol.Stated{0, 0, protocol.StatedBySite}).Draw(t, "stated")
		e.Referrer = pick("referrer", "", "", "click_id=k2&utm_source=x", "utm_source=google-play&utm_medium=organic", "gclid=g1", "gclid=g9",
			"https://play.google.com/store/apps/details?id=a&referrer=click_id%3Dk1", "click_id%3De01", "click_id=e02", "click_id=e03", "https://www.google.com/", "utm_source=google&utm_campaign=c", "utm_source%3Dapps.facebook.com%26utm_campaign%3Dfb4a", "click_id%253De02", "referrer=click_id%3Dk2", "null", "utm_source=(direct)&utm_medium=(none)", "utm_source=(not%20set)&utm_medium=(not%20set)", "junk")
		e.Payload = []byte(withStamps(pick("install payload", `{}`, `{"properties":{"install_begin_timestamp_server_seconds":%d,"referrer_click_timestamp_seconds":%d}}`,
			`{"context":{"os":{"name":"Android","version":"13"},"device":{"model":"pixel 7"}},"properties":{"install_begin_timestamp_seconds":%d}}`,
			`{"context":{"os":{"name":"iOS"}}}`), (e.Time-rapid.Int64Range(-2000, 20_000).Draw(t, "begin"))/1000, e.Time/1000))
	case 8:
		e.Kind, e.Name = protocol.KindTrack, pick("opening", "Application Opened", "Application Opened", "Deep Link Opened")
		e.MediaSource, e.ClickID = pick("source", "", "", "", "email"), pick("click", "", "", "k1", "e02")
	default:
		e.Kind, e.Name = protocol.KindTrack, pick("name", "Order Completed", "Order Completed", "Deep Link Opened", "Product Viewed")
		e.Campaign = pick("campaign", "", "", "spring")
		e.ClickID = pick("click", "", "", "k1", "g1")
		e.Network = pick("network", "", "", "google")
		e.OrderID = pick("order", "", "", "n1", "n2", "null")
		if rapid.Bool().Draw(t, "paid") {
			e.Flags |= protocol.FlagHasRevenue
			e.Currency = "EUR"
			e.Revenue = rapid.OneOf(rapid.Int64Range(-1000, 1000), rapid.Int64()).Draw(t, "revenue")
			if e.Revenue < 0 {
				e.Flags |= protocol.FlagRefund
			}
		}
	}
	return e
}

func drawEvents(t *rapid.T, s *attribution.Settings) []protocol.Event {
	var events []protocol.Event
	for n := range rapid.IntRange(1, 30).Draw(t, "events") {
		e := drawEvent(t, n, s)
		events = append(events, e)
		if rapid.IntRange(0, 9).Draw(t, "again") == 0 { // a retry, or the id used for something else
			again := e
			if rapid.Bool().Draw(t, "conflict") {
				again = drawEvent(t, n, s)
			}
			again.ID = e.ID
			again.Received += rapid.Int64Range(0, 5000).Draw(t, "retry")
			events = append(events, again)
		}
	}
	return events
}

func settleEvents(events []protocol.Event, s *attribution.Settings) map[oracle.ID]attribution.Result {
	var f attribution.Facts
	for i := range events {
		f.AddSecret(&events[i], s, attribution.Secret(secret))
	}
	results := map[oracle.ID]attribution.Result{}
	for _, r := range attribution.Settle(&f, func(string, int64) *attribution.Settings { return s }) {
		results[oracle.ID{App: r.App, Conversion: r.ID}] = r
	}
	return results
}

func recompute(events []protocol.Event, s *attribution.Settings) map[oracle.ID]attribution.Result {
	return oracle.RecomputeSecret(events, func(string, int64) *attribution.Settings { return s }, []byte(secret))
}

// TestEngineEqualsTheOracle compares with the independent implementation, from
// the raw events on.
func TestEngineEqualsTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		events := drawEvents(t, &s)
		got, want := settleEvents(events, &s), recompute(events, &s)
		if len(got) != len(want) {
			t.Fatalf("%d conversions, want %d", len(got), len(want))
		}
		for id, w := range want {
			if err := oracle.Compare(got[id], w); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestResultDoesNotDependOnOrderOrRepetition shuffles and repeats the events.
func TestResultDoesNotDependOnOrderOrRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		events := drawEvents(t, &s)
		want := settleEvents(events, &s)
		more := slices.Clone(events)
		for range rapid.IntRange(0, 5).Draw(t, "repeated") {
			more = append(more, rapid.SampledFrom(events).Draw(t, "repeat"))
		}
		got := settleEvents(rapid.Permutation(more).Draw(t, "shuffled"), &s)
		for id, w := range want {
			r := got[id]
			a, _ := r.AppendBinary(nil)
			b, _ := w.AppendBinary(nil)
			if string(a) != string(b) {
				t.Fatalf("%v depends on the order or on repetition: %v", id, oracle.Compare(r, w))
			}
		}
	})
}

// TestSharesAddUp checks for every conversion and model that nothing is lost or
// made up, and that only eligible touches share.
func TestSharesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		for id, r := range settleEvents(drawEvents(t, &s), &s) {
			if r.Organic() {
				continue
			}
			for m := range attribution.ModelCount {
				var credit, revenue int64
				for _, c := range r.Touches {
					credit += c.Credit[m]
					revenue += c.Revenue[m]
					if c.Credit[m] < 0 || c.Revenue[m] != 0 && (c.Revenue[m] < 0) != (r.Revenue < 0) {
						t.Fatalf("%v: %s gives %s %d and %d", id, m, c.Touch.ID, c.Credit[m], c.Revenue[m])
					}
				}
				if credit != attribution.Million || revenue != r.Revenue {
					t.Fatalf("%v: %s adds up to %d and %d, want 1000000 and %d", id, m, credit, revenue, r.Revenue)
				}
			}
		}
	})
}

// TestWiderLookbackKeepsTouches: a longer lookback only adds older touches, except that of
// one click id the older counts.
func TestWiderLookbackKeepsTouches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		s.Transform, s.Fraud.DeviceFrequency = attribution.TransformNone, attribution.Flag // of clicks before the lookback nothing is known
		events := drawEvents(t, &s)
		for i := range events { // no click id twice, and no sessions of sites
			e := &events[i]
			e.Stated, e.Payload, e.Network = 0, nil, ""
			if e.ClickID != "" {
				e.ClickID = fmt.Sprint("only", i)
			}
		}
		wider := s
		wider.Lookback += rapid.Int64Range(1, 50*attribution.Day).Draw(t, "more")
		after := settleEvents(events, &wider)
		for id, r := range settleEvents(events, &s) {
			short, long := ids(r), ids(after[id])
			if !strings.HasSuffix(long, short) {
				t.Fatalf("%v: path %q with the longer lookback, %q before", id, long, short)
			}
		}
	})
}

func ids(r attribution.Result) string {
	var b strings.Builder
	for _, c := range r.Touches {
		b.WriteString(" " + c.Touch.ID)
	}
	return b.String()
}

// withStamps puts two numbers where a text has %d.
func withStamps(text string, begin, click int64) string {
	text = strings.Replace(text, "%d", fmt.Sprint(begin), 1)
	return strings.Replace(text, "%d", fmt.Sprint(click), 1)
}
