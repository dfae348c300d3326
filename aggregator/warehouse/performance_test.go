package warehouse

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// market is a month of a shop with campaigns, made from a seed, with its facts and its
// rows of results, from which tests work figures out by hand.
type market struct {
	events []protocol.Event
	facts  attribution.Facts
	rows   []attribution.Row
	q      report.Query
}

const marketSeed = 20260129

func newMarket(t testing.TB, w *Warehouse) *market {
	t.Helper()
	t.Logf("seed %d", marketSeed)
	r := rand.New(rand.NewPCG(marketSeed, 1))
	m := &market{}
	sources, countries := []string{"google", "tiktok", "metaads", "mail"}, []string{"DE", "FR", ""}
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	for i := range 60 {
		user := fmt.Sprintf("u%d", i)
		at := base + r.Int64N(20*24*3_600_000)
		country := pick(countries)
		for j := range r.IntN(4) {
			e := click(fmt.Sprintf("c%d.%d", i, j), user, at+int64(j)*3_600_000)
			e.MediaSource, e.Campaign, e.Country = pick(sources), pick([]string{"spring", "summer"}), country
			e.Sub[0], e.LinkID = pick([]string{"x", "y", ""}), pick([]string{"l1", "l2"})
			e.Payload = []byte(fmt.Sprintf(`{"context":{"os":{"name":%q},"app":{"version":"1.%d"}}}`, pick([]string{"iOS", "Android"}), r.IntN(2)))
			if r.IntN(5) == 0 {
				e.Kind = protocol.KindImpression
			}
			if r.IntN(4) == 0 {
				e.Cost, e.CostCurrency = 250_000, "EUR"
			}
			m.events = append(m.events, e)
		}
		if r.IntN(2) == 0 {
			install := protocol.Event{ID: fmt.Sprintf("i%d", i), Kind: protocol.KindTrack, Name: attribution.InstallEvent, Original: at + 5*3_600_000,
				Time: at + 5*3_600_000, UserID: user, Digest: 1, Country: country}
			m.events = append(m.events, install)
		}
		for k := range r.IntN(3) {
			o := order(fmt.Sprintf("o%d.%d", i, k), user, at+int64(6+24*k)*3_600_000, 1_000_000*(1+r.Int64N(90)))
			o.Country = country
			if r.IntN(6) == 0 {
				o.Revenue = -o.Revenue
			}
			if r.IntN(5) == 0 {
				o.Currency = "USD"
			}
			if r.IntN(3) == 0 {
				o.Flags |= protocol.FlagTrusted
			}
			m.events = append(m.events, o)
		}
	}
	for i := range m.events {
		m.events[i].App = "market"
	}
	b := batch(m.events...)
	if _, err := w.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	settings := attribution.Default()
	settings.ImpressionsInMTA = true
	byID := make(map[string]attribution.Conversion)
	for _, c := range b.Facts.Conversions {
		byID[c.ID] = c
	}
	for _, r := range attribution.Settle(&b.Facts, func(string, int64) *attribution.Settings { return &settings }) {
		m.rows = append(m.rows, attribution.Row{Conversion: byID[r.ID], Result: r, Version: r.Version(0)})
	}
	if err := w.InsertAttributions(t.Context(), m.rows); err != nil {
		t.Fatal(err)
	}
	m.facts = b.Facts
	m.q = report.Query{App: "market", Apps: report.Apps{IDs: []string{"market"}}, AppCurrency: "EUR", Currency: "EUR", TZ: "Europe/Berlin",
		Settings: &settings, Given: url.Values{},
		From: time.UnixMilli(base - 3_600_000), To: time.UnixMilli(base + 30*24*3_600_000), Model: attribution.Linear,
		GroupBy: []report.Dimension{report.MediaSource}}
	return m
}

// byHand works the grid by source out of the rows, with a rate of 1.25 dollars a euro.
func (m *market) byHand(keep func(country string) bool) map[string]map[string]*big.Rat {
	sums := make(map[string]map[string]*big.Rat)
	add := func(source, metric string, n *big.Rat) {
		if sums[source] == nil {
			sums[source] = make(map[string]*big.Rat)
		}
		if sums[source][metric] == nil {
			sums[source][metric] = new(big.Rat)
		}
		sums[source][metric].Add(sums[source][metric], n)
	}
	country := make(map[string]string)
	for i := range m.events {
		country[m.events[i].ID] = m.events[i].Country
	}
	one := big.NewRat(1, 1)
	for i := range m.facts.Touches {
		t := &m.facts.Touches[i]
		if !keep(country[t.ID]) {
			continue
		}
		switch t.Kind {
		case attribution.Click:
			add(t.MediaSource, "clicks", one)
		case attribution.Impression:
			add(t.MediaSource, "impressions", one)
		}
		add(t.MediaSource, "cost", big.NewRat(t.Cost, 1_000_000))
	}
	for i := range m.rows {
		c, r := &m.rows[i].Conversion, &m.rows[i].Result
		if !keep(country[c.ID]) {
			continue
		}
		if c.Install {
			if r.Install.Outcome == attribution.NonOrganic || r.Install.Outcome == attribution.OrganicInstall {
				add(r.Install.MediaSource, "installs", one)
			}
			continue
		}
		rate := one
		if c.Currency == "USD" {
			rate = big.NewRat(100, 125)
		}
		share := func(source string, credit, revenue int64) {
			add(source, "events", big.NewRat(credit, 1_000_000))
			worth := new(big.Rat).Mul(big.NewRat(revenue, 1_000_000), rate)
			add(source, "revenue", worth)
			if revenue > 0 {
				add(source, "gross", worth)
			}
			if c.Untrusted {
				add(source, "untrusted", worth)
			}
		}
		if len(r.Touches) == 0 {
			share("organic", 1_000_000, r.Revenue)
		}
		for _, touch := range r.Touches {
			share(touch.Touch.MediaSource, touch.Credit[attribution.Linear], touch.Revenue[attribution.Linear])
		}
	}
	return sums
}

// TestPerformanceIsWhatTheRowsSay holds the grid against sums made by hand, whole and
// filtered, its total against its rows, and its pages against one page.
func TestPerformanceIsWhatTheRowsSay(t *testing.T) {
	w := open(t)
	m := newMarket(t, w)
	var err error
	if m.q.Rates, err = report.Resolve([]report.Rate{{Day: "2026-01-31", From: "EUR", To: "USD", Rate: "1.25"}, {Day: "2026-02-07", From: "EUR",
		To: "USD", Rate: "1.25"}, {Day: "2026-02-14", From: "EUR", To: "USD", Rate: "1.25"}, {Day: "2026-02-20", From: "EUR", To: "USD", Rate: "1.25"},
		{Day: "2026-02-25", From: "EUR", To: "USD", Rate: "1.25"}}, "EUR", m.q.From, m.q.To); err != nil {
		t.Fatal(err)
	}
	m.q.Given = url.Values{"metrics": {"impressions,clicks,installs,events,revenue,gross,refunds,untrusted,cost,ctr,cvr,roas,cpi"}}
	for name, c := range map[string]struct {
		filters []string
		keep    func(string) bool
	}{
		"all":     {nil, func(string) bool { return true }},
		"Germany": {[]string{"country:DE"}, func(c string) bool { return c == "DE" }},
		"abroad":  {[]string{"country:!DE"}, func(c string) bool { return c != "DE" }},
		"nowhere": {[]string{"country:,FR"}, func(c string) bool { return c == "" || c == "FR" }},
	} {
		q := m.q
		if q.Filters, err = report.ParseFilters(c.filters); err != nil {
			t.Fatal(err)
		}
		got, err := report.Performance(t.Context(), w, q)
		if err != nil {
			t.Fatal(name, err)
		}
		want := m.byHand(c.keep)
		if len(got.Rows) != len(want) || len(got.Unconverted) > 0 {
			t.Errorf("%s: %d rows, want %d; %v without a rate", name, len(got.Rows), len(want), got.Unconverted)
		}
		totals := make(map[string]*big.Rat)
		for _, row := range got.Rows {
			for _, metric := range []string{"impressions", "clicks", "installs", "events", "revenue", "gross", "untrusted", "cost"} {
				n, _ := new(big.Rat).SetString(string(*row.Metrics[metric]))
				hand := want[row.Names[0]][metric]
				if hand == nil {
					hand = new(big.Rat)
				}
				if off := new(big.Rat).Sub(n, hand); off.Abs(off).Cmp(big.NewRat(1, 1_000_000)) > 0 {
					t.Errorf("%s: %s of %s is %s, by hand %s", name, metric, row.Names[0], n.FloatString(6), hand.FloatString(6))
				}
				if totals[metric] == nil {
					totals[metric] = new(big.Rat)
				}
				totals[metric].Add(totals[metric], n)
			}
		}
		for metric, sum := range totals {
			if n, _ := new(big.Rat).SetString(string(*got.Total.Metrics[metric])); n.Cmp(sum) != 0 {
				t.Errorf("%s: the total of %s is %s, its rows add up to %s", name, metric, n.FloatString(6), sum.FloatString(6))
			}
		}
	}
	t.Run("pages", func(t *testing.T) { testGridPages(t, w, m.q) })
	t.Run("dimensions", func(t *testing.T) { testGridDimensions(t, w, m.q) })
	t.Run("models", func(t *testing.T) { testGridModels(t, w, m.q) })
	t.Run("why", func(t *testing.T) { testWhy(t, w, m) })
	t.Run("costs", func(t *testing.T) { testGridCosts(t, w, m.q) })
}

func testGridPages(t *testing.T, w *Warehouse, q report.Query) {
	q.GroupBy = []report.Dimension{report.MediaSource, report.Campaign, report.ByDay}
	for _, sort := range []string{"-revenue", "cpi", "media_source", "-day"} {
		q.Given = url.Values{"metrics": {"installs,revenue"}, "sort": {sort}}
		q.Limit, q.Cursor = 1000, ""
		whole, err := report.Performance(t.Context(), w, q)
		if err != nil || len(whole.Rows) < 30 {
			t.Fatal(len(whole.Rows), err)
		}
		var names []string
		for q.Limit = 7; ; {
			page, err := report.Performance(t.Context(), w, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Rows {
				names = append(names, strings.Join(r.Names, "/"))
			}
			if page.NextCursor == nil {
				break
			}
			q.Cursor = *page.NextCursor
		}
		var want []string
		for _, r := range whole.Rows {
			want = append(want, strings.Join(r.Names, "/"))
		}
		if !slices.Equal(names, want) {
			t.Errorf("by %s: the pages have %v, want %v", sort, names, want)
		}
	}
}

// testGridDimensions asks by every dimension: whatever it is, the parts add up to the same.
func testGridDimensions(t *testing.T, w *Warehouse, q report.Query) {
	q.Given = url.Values{"metrics": {"clicks,installs,events,revenue"}, "models": {"all"}, "compare": {"previous"}}
	var want string
	for _, d := range []report.Dimension{report.MediaSource, report.Campaign, report.AdSet, report.Ad, report.Keyword, report.Sub1, report.Sub5,
		report.ByLink, report.Country,
		report.Platform, report.AppVersion, report.ByDay, report.ByWeek, report.ByMonth} {
		q.GroupBy = []report.Dimension{d}
		got, err := report.Performance(t.Context(), w, q)
		if err != nil {
			t.Fatal(d, err)
		}
		text, err := json.Marshal(got.Total)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(text)
		}
		if string(text) != want {
			t.Errorf("by %s: the total is %s, want %s", d, text, want)
		}
		if few := map[report.Dimension]int{report.Sub1: 3, report.ByLink: 3, report.Country: 3, report.Platform: 3, report.AppVersion: 3}[d]; few > 0 &&
			len(got.Rows) != few {
			t.Errorf("by %s: %d rows, want %d", d, len(got.Rows), few)
		}
	}
	q.GroupBy = []report.Dimension{report.Sub1}
	q.Given = url.Values{"metrics": {"clicks,cost"}}
	got, err := report.Performance(t.Context(), w, q)
	if err != nil || got.Total.Metrics["cost"] != nil || got.Notes["cost"] == "" {
		t.Errorf("costs by sub-publisher: %+v %v", got.Notes, err)
	}
}

// testGridModels holds the five models of one answer against five answers.
func testGridModels(t *testing.T, w *Warehouse, q report.Query) {
	q.Given = url.Values{"metrics": {"events,revenue"}, "models": {"all"}}
	all, err := report.Performance(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	for m := range attribution.ModelCount {
		q.Model, q.Given = m, url.Values{"metrics": {"events,revenue"}}
		one, err := report.Performance(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range one.Rows {
			i := slices.IndexFunc(all.Rows, func(r report.PerformanceRow) bool { return slices.Equal(r.Names, row.Names) })
			if got := all.Rows[i].Models[m.String()]; got.Events != *row.Metrics["events"] || got.Revenue != *row.Metrics["revenue"] {
				t.Errorf("%s of %s: %+v, alone %s and %s", m, row.Names, got, *row.Metrics["events"], *row.Metrics["revenue"])
			}
		}
	}
	for _, row := range all.Rows {
		least, most := row.Range["events"].Min, row.Range["events"].Max
		for _, figures := range row.Models {
			n, _ := new(big.Rat).SetString(string(figures.Events))
			l, _ := new(big.Rat).SetString(string(least))
			h, _ := new(big.Rat).SetString(string(most))
			if n.Cmp(l) < 0 || n.Cmp(h) > 0 {
				t.Errorf("%v lies outside of its range %+v", row.Models, row.Range["events"])
			}
		}
	}
	if all.Rows[0].Range["events"].Verdict == "" {
		t.Error("no verdict")
	}
}

// testGridCosts imports costs twice: the later import of a key counts, and takes the place
// of the costs that clicks stated on that day.
func testGridCosts(t *testing.T, w *Warehouse, q report.Query) {
	q.Limit, q.Given = 1000, url.Values{"metrics": {"cost,clicks,installs,cpc,cpi"}}
	q.GroupBy = []report.Dimension{report.MediaSource, report.ByDay}
	spent := func(name string) map[string]string {
		got, err := report.Performance(t.Context(), w, q)
		if err != nil {
			t.Fatal(name, err)
		}
		list := make(map[string]string)
		for _, r := range got.Rows {
			list[strings.Join(r.Names, "/")] = string(*r.Metrics["cost"])
		}
		return list
	}
	before := spent("before")
	day := ""
	for name, cost := range before {
		if source, d, _ := strings.Cut(name, "/"); source == "google" && cost != "0.000000" && d > day {
			day = d
		}
	}
	if day == "" {
		t.Fatal("no click of google's has a cost")
	}
	put := func(asOf int64, amount string) int {
		costs, err := report.CheckCosts([]report.Cost{{Date: day, MediaSource: "google", Campaign: "spring", Cost: report.Decimal(amount)}, {Date: day,
			MediaSource: "nowhere", Cost: "3"}}, "EUR", "")
		if err != nil {
			t.Fatal(err)
		}
		replaced, err := w.PutCosts(t.Context(), q.App, costs, asOf)
		if err != nil {
			t.Fatal(err)
		}
		return replaced
	}
	if n := put(1000, "60"); n != 0 {
		t.Errorf("%d replaced at first", n)
	}
	if n := put(2000, "70.5"); n != 2 {
		t.Errorf("%d replaced, want 2", n)
	}
	after := spent("after")
	if after["google/"+day] != "70.500000" || after["nowhere/"+day] != "3.000000" {
		t.Errorf("the day costs %s and %s", after["google/"+day], after["nowhere/"+day])
	}
	for name, cost := range before {
		if name != "google/"+day && after[name] != cost {
			t.Errorf("%s costs %s, and did %s before", name, after[name], cost)
		}
	}
	q.AsOf = 1500
	if then := spent("as of then")["google/"+day]; then != "60.000000" {
		t.Errorf("as it was known then the day costs %s", then)
	}
	q.AsOf = 0
	coverage, err := report.Coverage(t.Context(), w, q)
	if err != nil || len(coverage.CostWithoutTraffic) != 1 || coverage.CostWithoutTraffic[0].MediaSource != "nowhere" || len(coverage.TrafficWithoutCost) == 0 {
		t.Errorf("%+v %v", coverage, err)
	}
	list, err := report.ListCosts(t.Context(), w, q)
	if err != nil || len(list.Data) != 2 || list.Data[0].Cost.Cost != "70.500000" || list.Data[0].AsOf.UnixMilli() != 2000 {
		t.Errorf("%+v %v", list, err)
	}
	q.Limit = 1
	if list, err = report.ListCosts(t.Context(), w, q); err != nil || list.NextCursor == nil {
		t.Fatal(list, err)
	}
	q.Cursor = *list.NextCursor
	if list, err = report.ListCosts(t.Context(), w, q); err != nil || len(list.Data) != 1 || list.Data[0].MediaSource != "nowhere" || list.NextCursor != nil {
		t.Errorf("%+v %v", list, err)
	}
}

// testWhy holds the explanation of a source against its rows.
func testWhy(t *testing.T, w *Warehouse, m *market) {
	q := m.q
	q.Given = url.Values{"filter": {"media_source:tiktok"}}
	q.Filters = []report.Filter{{Field: report.MediaSource, Values: []string{"tiktok"}}}
	got, err := report.Why(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	var opens, assists, closes, alone, any int
	credit := big.NewRat(0, 1)
	for i := range m.rows {
		touches := m.rows[i].Result.Touches
		if m.rows[i].Conversion.Name != "Order Completed" {
			continue
		}
		mine := func(from, to int) bool {
			return slices.ContainsFunc(touches[max(from, 0):max(to, 0)], func(c attribution.Credited) bool { return c.Touch.MediaSource == "tiktok" })
		}
		n := len(touches)
		count := func(is bool, into *int) {
			if is {
				*into++
			}
		}
		count(mine(0, n), &any)
		count(n == 1 && mine(0, 1), &alone)
		if n > 1 {
			count(mine(0, 1), &opens)
			count(mine(1, n-1), &assists)
			count(mine(n-1, n), &closes)
		}
		for _, c := range touches {
			if c.Touch.MediaSource == "tiktok" {
				credit.Add(credit, big.NewRat(c.Credit[attribution.Linear], 1_000_000))
			}
		}
	}
	role := fmt.Sprint(got.Role.Opens, got.Role.Assists, got.Role.Closes, got.Role.Alone, got.Role.Conversions)
	if want := fmt.Sprint(report.Decimal(fmt.Sprint(opens)), report.Decimal(fmt.Sprint(assists)), report.Decimal(fmt.Sprint(closes)),
		report.Decimal(fmt.Sprint(alone)), report.Decimal(fmt.Sprint(any))); role != want || any == 0 {
		t.Errorf("roles %s, by hand %s", role, want)
	}
	if len(got.Models) != 5 || got.Models[2].Model != "linear" || string(got.Models[2].Events) != credit.FloatString(6) {
		t.Errorf("models %+v, linear by hand %s", got.Models, credit.FloatString(6))
	}
	if len(got.Paths) == 0 || len(got.Paths) > 5 || len(got.Journeys) == 0 || len(got.Journeys) > 3 {
		t.Fatalf("%d paths, %d journeys", len(got.Paths), len(got.Journeys))
	}
	for _, j := range got.Journeys {
		if j.ID != "" || !slices.ContainsFunc(j.Touches, func(c report.WhyTouch) bool { return c.Mine && c.MediaSource == "tiktok" }) {
			t.Errorf("a journey of another, or with an id: %+v", j)
		}
	}
	q.IDs = true
	if got, err = report.Why(t.Context(), w, q); err != nil || got.Journeys[0].ID == "" {
		t.Errorf("with ids: %+v %v", got.Journeys, err)
	}
	q.Given = url.Values{}
	q.Filters = nil
	told, err := report.Insights(t.Context(), w, q)
	if err != nil || len(told.Sentences) == 0 || len(told.Sentences) > 5 {
		t.Errorf("%+v %v", told, err)
	}
	for _, s := range told.Sentences {
		t.Log(s.Kind, s.Text)
	}
}
