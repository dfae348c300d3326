package warehouse

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/pass"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// attributed stores events and the attributions of their conversions.
func attributed(t testing.TB, w *Warehouse, events ...protocol.Event) {
	t.Helper()
	b := batch(events...)
	if _, err := w.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	settings := attribution.Default()
	byID := make(map[string]attribution.Conversion)
	for _, c := range b.Facts.Conversions {
		byID[c.ID] = c
	}
	var rows []attribution.Row
	for _, r := range attribution.Settle(&b.Facts, func(string, int64) *attribution.Settings { return &settings }) {
		rows = append(rows, attribution.Row{Conversion: byID[r.ID], Result: r, Version: r.Version(0)})
	}
	if err := w.InsertAttributions(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

// shop is a small app: u1 comes by three touches and buys, u2 comes by nothing,
// u3 installs from a link. Some of it is sent twice.
func shop(t testing.TB) (*Warehouse, report.Query) {
	t.Helper()
	w := open(t)
	touch := func(id, user, source string, minute int64) protocol.Event {
		e := click(id, user, base+minute*60_000)
		e.MediaSource = source
		e.Country = "DE"
		return e
	}
	buy := order("o1", "u1", base+100*60_000, 140_000_000)
	buy.Country = "DE"
	alone := order("o2", "u2", base+24*60*60_000, 20_500_000)
	alone.Currency, alone.Country = "USD", "US"
	small := order("o3", "u1", base+110*60_000, 1)
	small.Flags = 0
	install := protocol.Event{ID: "i1", Kind: protocol.KindTrack, Name: attribution.InstallEvent, Original: base + 60*60_000, Time: base + 60*60_000,
		UserID: "u3", Digest: 1}
	seen := touch("v1", "u9", "TikTok", 5)
	seen.Kind = protocol.KindImpression
	events := []protocol.Event{
		touch("t1", "u1", "Google Ads", 1), touch("t2", "u1", "Facebook", 2), touch("t3", "u1", "Google Ads", 3),
		touch("t4", "u3", "TikTok", 50), seen, buy, alone, small, install,
		{ID: "p1", Kind: protocol.KindPage, Name: "Home", Original: base, Time: base, UserID: "u1", Digest: 1},
	}
	attributed(t, w, events...)
	insert(t, w, events[:5]...)
	other := click("x1", "u1", base) // another tenant
	other.App = "other"
	insert(t, w, other)
	return w, report.Query{
		App: "app", Apps: report.Apps{IDs: []string{"app"}}, AppCurrency: "EUR",
		From: time.UnixMilli(base - 3_600_000), To: time.UnixMilli(base + 48*3_600_000),
	}
}

// same compares a value as JSON, which is what clients see.
func same(t *testing.T, got any, want string) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// TestReports asks everything of one shop.
func TestReports(t *testing.T) {
	w, q := shop(t)
	for name, test := range map[string]func(*testing.T, *Warehouse, report.Query){
		"counts": testCounts, "attribution": testAttribution, "pages": testPages, "one conversion": testConversion, "paths": testPaths, "late": testLate,
		"currencies": testCurrencies,
	} {
		t.Run(name, func(t *testing.T) { test(t, w, q) })
	}
}

func testCounts(t *testing.T, w *Warehouse, q report.Query) {
	t.Run("overview", func(t *testing.T) {
		got, err := report.Overview(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, `{"events":10,"clicks":4,"impressions":1,"installs":1,"installs_by":{"attributed":1,"view_through":0,"organic":0,"unattributed":0},`+
			`"reinstalls":0,"re_attributions":0,"re_engagements":0,"conversions":4,"events_by":[{"event":"Order Completed","count":3}],`+
			`"revenue":[{"currency":"EUR","amount":"140.000000","gross":"140.000000","refunds":"0.000000","untrusted":"140.000000"},`+
			`{"currency":"USD","amount":"20.500000","gross":"20.500000","refunds":"0.000000","untrusted":"20.500000"}],"cost":[],"fresh_until":"2026-02-01T23:30:00.1Z"}`)
	})
	t.Run("overview narrowed to a country", func(t *testing.T) {
		q := q
		q.Countries = []string{"DE"}
		got, err := report.Overview(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, `{"events":6,"clicks":4,"impressions":1,"installs":0,"installs_by":{"attributed":0,"view_through":0,"organic":0,"unattributed":0},`+
			`"reinstalls":0,"re_attributions":0,"re_engagements":0,"conversions":1,"events_by":[{"event":"Order Completed","count":1}],`+
			`"revenue":[{"currency":"EUR","amount":"140.000000","gross":"140.000000","refunds":"0.000000","untrusted":"140.000000"}],"cost":[],"fresh_until":"2026-02-01T23:30:00.1Z"}`)
	})
	t.Run("overview narrowed to a media source", func(t *testing.T) {
		q := q
		q.MediaSources = []string{"TikTok"}
		got, err := report.Overview(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, `{"events":2,"clicks":1,"impressions":1,"installs":1,"installs_by":{"attributed":1,"view_through":0,"organic":0,"unattributed":0},`+
			`"reinstalls":0,"re_attributions":0,"re_engagements":0,"conversions":1,"events_by":[],"revenue":[],"cost":[],"fresh_until":"2026-02-01T23:30:00.1Z"}`)
	})
	for metric, want := range map[report.Metric]string{
		report.Events:      `["0","9","1","0"]`,
		report.Clicks:      `["0","4","0","0"]`,
		report.Impressions: `["0","1","0","0"]`,
		report.Installs:    `["0","1","0","0"]`,
		report.Conversions: `["0","3","1","0"]`,
		report.Revenue:     `["0.000000","140.000000","0.000000","0.000000"]`,
	} {
		t.Run("timeseries of "+string(metric), func(t *testing.T) {
			q := q
			q.Metric, q.Interval, q.TZ = metric, report.Day, "Europe/Berlin"
			got, err := report.Timeseries(t.Context(), w, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Points) != 4 { // from 23:30 on January 31 in Berlin; all begins at 00:30 on February 1
				t.Fatalf("%d points", len(got.Points))
			}
			var values []report.Decimal
			for _, p := range got.Points {
				values = append(values, p.Value)
			}
			same(t, values, want)
		})
	}
}

func testAttribution(t *testing.T, w *Warehouse, q report.Query) {
	for m, want := range map[attribution.Model]string{
		attribution.FirstTouch: `[{"media_source":"Google Ads","conversions":"2.000000","revenue":"140.000000","share":0.5,"revenue_by_currency":[{"currency":"EUR","amount":"140.000000"}]},` +
			`{"media_source":"TikTok","conversions":"1.000000","revenue":"0.000000","share":0.25,"revenue_by_currency":[]},` +
			`{"media_source":"organic","conversions":"1.000000","revenue":"0.000000","share":0.25,"revenue_by_currency":[{"currency":"USD","amount":"20.500000"}]},` +
			`{"media_source":"Facebook","conversions":"0.000000","revenue":"0.000000","share":0,"revenue_by_currency":[{"currency":"EUR","amount":"0.000000"}]}]`,
		attribution.Linear: `[{"media_source":"Google Ads","conversions":"1.333334","revenue":"93.333333","share":0.3333335,"revenue_by_currency":[{"currency":"EUR","amount":"93.333333"}]},` +
			`{"media_source":"TikTok","conversions":"1.000000","revenue":"0.000000","share":0.25,"revenue_by_currency":[]},` +
			`{"media_source":"organic","conversions":"1.000000","revenue":"0.000000","share":0.25,"revenue_by_currency":[{"currency":"USD","amount":"20.500000"}]},` +
			`{"media_source":"Facebook","conversions":"0.666666","revenue":"46.666667","share":0.1666665,"revenue_by_currency":[{"currency":"EUR","amount":"46.666667"}]}]`,
	} {
		t.Run(m.String(), func(t *testing.T) {
			q := q
			q.Model = m
			got, err := report.Attribution(t.Context(), w, q)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.Rows, want)
			same(t, got.Total, `{"conversions":"4.000000","revenue":"140.000000","revenue_by_currency":[{"currency":"EUR","amount":"140.000000"},{"currency":"USD","amount":"20.500000"}]}`)
		})
	}
	for model, want := range map[report.DataModel]string{
		report.Shapley: `[{"media_source":"Facebook","conversions":"1.000000","revenue":"70.000000","share":0.25,"revenue_by_currency":[{"currency":"EUR","amount":"70.000000"}]},` +
			`{"media_source":"Google Ads","conversions":"1.000000","revenue":"70.000000","share":0.25,"revenue_by_currency":[{"currency":"EUR","amount":"70.000000"}]},` +
			`{"media_source":"TikTok","conversions":"1.000000","revenue":"0.000000","share":0.25,"revenue_by_currency":[]},` +
			`{"media_source":"organic","conversions":"1.000000","revenue":"0.000000","share":0.25,"revenue_by_currency":[{"currency":"USD","amount":"20.500000"}]}]`,
		// Two paths Google Ads > Facebook > Google Ads and one of TikTok. All converted: without
		// Google Ads a third of the chance is left, without one of the others two thirds.
		report.Markov: `[{"media_source":"Google Ads","conversions":"1.500000","revenue":"70.000000","share":0.375,"revenue_by_currency":[{"currency":"EUR","amount":"70.000000"}]},` +
			`{"media_source":"organic","conversions":"1.000000","revenue":"0.000000","share":0.25,"revenue_by_currency":[{"currency":"USD","amount":"20.500000"}]},` +
			`{"media_source":"Facebook","conversions":"0.750000","revenue":"35.000000","share":0.1875,"revenue_by_currency":[{"currency":"EUR","amount":"35.000000"}]},` +
			`{"media_source":"TikTok","conversions":"0.750000","revenue":"35.000000","share":0.1875,"revenue_by_currency":[{"currency":"EUR","amount":"35.000000"}]}]`,
	} {
		t.Run(string(model), func(t *testing.T) {
			q := q
			q.DataDriven = model
			got, err := report.Attribution(t.Context(), w, q)
			if err != nil || got.Model != string(model) {
				t.Fatal(err, got.Model)
			}
			same(t, got.Rows, want)
			same(t, got.Total, `{"conversions":"4.000000","revenue":"140.000000","revenue_by_currency":[{"currency":"EUR","amount":"140.000000"},{"currency":"USD","amount":"20.500000"}]}`)
			q.MediaSources = []string{"organic"}
			if got, err = report.Attribution(t.Context(), w, q); err != nil || len(got.Rows) != 1 || got.Total.Conversions != "1.000000" {
				t.Errorf("narrowed: %+v %v", got.Rows, err)
			}
			q.GroupBy = []report.Dimension{report.Campaign}
			if err := q.Validate(); err == nil {
				t.Error("a data-driven report by campaign")
			}
		})
	}
	t.Run("narrowed", func(t *testing.T) {
		q := q
		q.Model, q.MediaSources, q.Countries = attribution.Linear, []string{"Facebook", "organic"}, []string{"DE"}
		q.GroupBy = []report.Dimension{report.MediaSource, report.Campaign}
		got, err := report.Attribution(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got.Rows, `[{"media_source":"Facebook","campaign":"spring","conversions":"0.333333","revenue":"46.666667","share":1,"revenue_by_currency":[{"currency":"EUR","amount":"46.666667"}]}]`)
	})
	t.Run("by keyword in dollars", func(t *testing.T) {
		q := q
		q.GroupBy, q.Currency = []report.Dimension{report.Keyword, report.AdSet, report.Ad}, "USD"
		got, err := report.Attribution(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got.Rows, `[{"adset":"","ad":"","keyword":"","conversions":"4.000000","revenue":"20.500000","share":1,"revenue_by_currency":[{"currency":"EUR","amount":"140.000000"},{"currency":"USD","amount":"20.500000"}],"unconverted":[{"currency":"EUR","amount":"140.000000"}]}]`)
	})
}

// testCurrencies converts o1 (140 EUR) and o2 (20.5 USD, a day later).
func testCurrencies(t *testing.T, w *Warehouse, q report.Query) {
	convert := func(currency string, rates ...report.Rate) report.Query {
		t.Helper()
		q := q
		q.Currency = currency
		var err error
		if q.Rates, err = report.Resolve(rates, currency, q.From, q.To); err != nil {
			t.Fatal(err)
		}
		return q
	}
	january := report.Rate{Day: "2026-01-31", From: "EUR", To: "USD", Rate: "1.1"}
	february := report.Rate{Day: "2026-02-01", From: "EUR", To: "USD", Rate: "1.2"}
	for _, model := range []string{"first_touch", "linear", "time_decay", "markov", "shapley"} {
		q := convert("USD", january, february)
		q.ParseModel(model)
		got, err := report.Attribution(pass.With(t.Context(), pass.Pass{Apps: []string{q.App}}), w, q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got.Total, `{"conversions":"4.000000","revenue":"188.500000","revenue_by_currency":[{"currency":"EUR","amount":"140.000000"},{"currency":"USD","amount":"20.500000"}]}`)
	}
	for currency, want := range map[string]string{
		"EUR": `[["140.000000",null],["17.083333",null],["0.000000",null]]`,
		"USD": `[["168.000000",null],["20.500000",null],["0.000000",null]]`,
		"JPY": `[["0.000000",[{"currency":"EUR","amount":"140.000000"}]],["0.000000",[{"currency":"USD","amount":"20.500000"}]],["0.000000",null]]`,
	} {
		paths, err := report.Paths(t.Context(), w, convert(currency, january, february))
		if err != nil || paths.Currency != currency {
			t.Fatal(err, paths.Currency)
		}
		var rows [][2]any
		for _, p := range paths.Paths {
			unconverted := p.Unconverted
			if len(unconverted) == 0 {
				unconverted = nil
			}
			rows = append(rows, [2]any{p.Revenue, unconverted})
		}
		same(t, rows, want)
	}
	compared, err := report.Attribution(t.Context(), w, convert("JPY", january))
	if err != nil {
		t.Fatal(err)
	}
	sides, err := report.Compare(compared, compared)
	if err != nil || len(sides.Rows) == 0 {
		t.Fatal(err)
	}
	same(t, sides.Rows[0].A.Unconverted, `[{"currency":"EUR","amount":"140.000000"}]`)
	overview, err := report.Overview(t.Context(), w, convert("EUR", january, february))
	if err != nil {
		t.Fatal(err)
	}
	same(t, overview.Converted, `{"currency":"EUR","amount":"157.083333"}`) // 20.5/1.2 is 17.0833333…
	overview, err = report.Overview(t.Context(), w, convert("JPY", january))
	if err != nil {
		t.Fatal(err)
	}
	same(t, overview.Converted, `{"currency":"JPY","amount":"0.000000","unconverted":[{"currency":"EUR","amount":"140.000000"},{"currency":"USD","amount":"20.500000"}]}`)

	q = convert("USD", report.Rate{Day: "2026-02-02", From: "EUR", To: "USD", Rate: "9"})
	q.Metric, q.Interval = report.Revenue, report.Week
	series, err := report.Timeseries(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	same(t, series.Unconverted, `[{"currency":"EUR","amount":"140.000000"}]`) // a later rate is none
	q = convert("USD", january)
	q.Metric, q.Interval = report.Revenue, report.Week
	if series, err = report.Timeseries(t.Context(), w, q); err != nil {
		t.Fatal(err)
	}
	sum := ""
	for _, p := range series.Points {
		if p.Value != "0.000000" {
			sum += string(p.Value) + " "
		}
	}
	if (sum != "174.500000 " && sum != "154.000000 20.500000 ") || len(series.Unconverted) != 0 {
		t.Errorf("%+v", series)
	}
}

// testLate stores touches at the edge of the lateness limit, of a person who
// converted and of another.
func testLate(t *testing.T, w *Warehouse, q report.Query) {
	s := attribution.Default()
	q.App, q.Apps = "late", report.Apps{IDs: []string{"late"}}
	at := q.From.UnixMilli() + attribution.Day
	touch := func(id, key string, delay int64) attribution.Touch {
		return attribution.Touch{App: "late", ID: id, Original: at, Time: at, Received: at + delay, Digest: 1, Kind: attribution.Click,
			MediaSource: "google", Keys: []string{key}}
	}
	conversion := func(id string, made, known int64) attribution.Conversion {
		return attribution.Conversion{App: "late", ID: id, Original: made, Time: made, Received: known, Digest: 1, Name: "Order Completed",
			Keys: []string{"user:u"}}
	}
	storeFacts(t, w, &attribution.Facts{
		Touches: []attribution.Touch{touch("in", "user:u", s.Lateness), touch("late", "user:u", s.Lateness+2), touch("other", "user:v", s.Lateness+1)},
		Conversions: []attribution.Conversion{conversion("missed", at+1, at+1), conversion("met", at+2, at+2), conversion("before", at-1, at),
			conversion("out", at+s.Lookback, at+1)},
	})
	if err := w.RecordConflicts(t.Context(), []attribution.Variant{{App: "late", ID: "x", Digest: 1, Received: at}, {App: "late", ID: "x", Digest: 2,
		Received: at + 1}}); err != nil {
		t.Fatal(err)
	}
	q.Settings = &s
	got, err := report.Late(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"lateness_ms":604800000,"rows":[{"media_source":"google","kind":"click","touches":2,"conversions":1,"longest_delay_ms":604800002}],"event_id_conflicts":1}`)
}

func testPaths(t *testing.T, w *Warehouse, q report.Query) {
	got, err := report.Paths(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"conversions":4,"currency":"EUR","paths":[`+
		`{"path":["Google Ads","Facebook","Google Ads"],"conversions":2,"share":0.5,"revenue":"140.000000","revenue_by_currency":[{"currency":"EUR","amount":"140.000000"}]},`+
		`{"path":[],"conversions":1,"share":0.25,"revenue":"0.000000","revenue_by_currency":[{"currency":"USD","amount":"20.500000"}]},`+
		`{"path":["TikTok"],"conversions":1,"share":0.25,"revenue":"0.000000","revenue_by_currency":[]}],`+
		`"lengths":[{"touches":0,"conversions":1},{"touches":1,"conversions":1},{"touches":3,"conversions":2}],"lags":[{"days":0,"conversions":3}]}`)
	q.Limit = 1
	if got, err = report.Paths(t.Context(), w, q); err != nil || len(got.Paths) != 1 || got.Conversions != 4 {
		t.Errorf("one path: %+v %v", got, err)
	}
	q.MediaSources, q.Countries = []string{"Facebook"}, []string{"DE"}
	if got, err = report.Paths(t.Context(), w, q); err != nil || got.Conversions != 1 || len(got.Paths) != 1 || got.Paths[0].Conversions != 1 {
		t.Errorf("narrowed: %+v %v", got, err)
	}
	q.From, q.To = q.From.AddDate(-1, 0, 0), q.To.AddDate(-1, 0, 0)
	if got, err = report.Paths(t.Context(), w, q); err != nil {
		t.Error(err)
	}
	same(t, got, `{"conversions":0,"currency":"EUR","paths":[],"lengths":[],"lags":[]}`)
}

func testPages(t *testing.T, w *Warehouse, q report.Query) {
	q.Limit, q.IDs = 3, true
	var ids []string
	for {
		page, err := report.ListConversions(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Data {
			ids = append(ids, fmt.Sprintf("%s %s %s %d", c.ID, c.Result, c.MediaSource, c.Touches))
		}
		if page.NextCursor == nil {
			break
		}
		q.Cursor = *page.NextCursor
	}
	same(t, ids, `["o2 organic organic 0","o3 non_organic Google Ads 3","o1 non_organic Google Ads 3","i1 non_organic TikTok 1"]`)

	q.Cursor = "nonsense"
	var invalid *report.InvalidError
	if _, err := report.ListConversions(t.Context(), w, q); !errors.As(err, &invalid) {
		t.Errorf("a bad cursor: %v", err)
	}
}

func testConversion(t *testing.T, w *Warehouse, q report.Query) {
	page, err := report.ListConversions(t.Context(), w, q)
	if err != nil || !strings.HasPrefix(page.Data[0].ID, "j_") {
		t.Fatalf("%+v %v", page, err)
	}
	hidden, found, err := report.Conversion(t.Context(), w, q, page.Data[0].ID)
	if err != nil || !found || hidden.ID != "" || hidden.Event != page.Data[0].Event || !hidden.Time.Equal(page.Data[0].Time) {
		t.Errorf("by its handle: %+v %v %v", hidden, found, err)
	}
	q.IDs = true
	got, found, err := report.Conversion(t.Context(), w, q, "o1")
	if err != nil || !found {
		t.Fatal(found, err)
	}
	same(t, got.Touches[1], `{"touch_id":"t2","kind":"click","time":"2026-01-31T23:32:00Z","media_source":"Facebook","campaign":"spring",`+
		`"credit":{"first_touch":0,"last_touch":0,"linear":333333,"position_based":200000,"time_decay":333333},`+
		`"revenue":{"first_touch":"0.000000","last_touch":"0.000000","linear":"46.666667","position_based":"28.000000","time_decay":"46.666666"}}`)
	install, found, err := report.Conversion(t.Context(), w, q, "i1")
	if err != nil || !found || len(install.Candidates) != 1 || install.Candidates[0].Verdict != "won" || install.Install.MediaSource != "TikTok" {
		t.Errorf("install: %+v %v %v", install, found, err)
	}
	for name, narrow := range map[string]func(*report.Query){
		"another app":   func(q *report.Query) { q.App, q.Apps.IDs = "other", []string{"other"} },
		"other sources": func(q *report.Query) { q.MediaSources = []string{"TikTok"} },
		"other country": func(q *report.Query) { q.Countries = []string{"FR"} },
	} {
		q := q
		narrow(&q)
		if _, found, err := report.Conversion(t.Context(), w, q, "o1"); found || err != nil {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
	q.Countries = []string{"FR", "DE"}
	if _, found, err := report.Conversion(t.Context(), w, q, "o1"); !found || err != nil {
		t.Errorf("own country: %v %v", found, err)
	}
}

// TestAnOrderCountsOnceInTheOverview has one order under two message ids, as a thank-you page that
// is loaded again sends it, read from rows and from sums.
func TestAnOrderCountsOnceInTheOverview(t *testing.T) {
	w := open(t)
	first, again := order("first", "u1", base+1000, 50_000_000), order("again", "u1", base+2000, 50_000_000)
	first.OrderID, again.OrderID = "A-1", "A-1"
	attributed(t, w, first, again, order("other", "u2", base+3000, 7_000_000))
	q := report.Query{App: "app", Apps: report.Apps{IDs: []string{"app"}}, AppCurrency: "EUR", From: time.UnixMilli(base - 3_600_000), To: time.UnixMilli(base + 3_600_000)}
	for _, q.FromRows = range []bool{true, false} {
		got, err := report.Overview(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got.Revenue, `[{"currency":"EUR","amount":"57.000000","gross":"57.000000","refunds":"0.000000","untrusted":"57.000000"}]`)
	}
}
