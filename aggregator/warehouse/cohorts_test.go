package warehouse

import (
	"fmt"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// installed are the new installs of the market by the user's id.
func (m *market) installed() map[string]*attribution.Row {
	list := make(map[string]*attribution.Row)
	for i := range m.rows {
		r := &m.rows[i]
		if r.Conversion.Install && (r.Result.Install.Outcome == attribution.NonOrganic || r.Result.Install.Outcome == attribution.OrganicInstall) {
			list[m.userOf(r.Conversion.ID)] = r
		}
	}
	return list
}

func (m *market) userOf(id string) string {
	for i := range m.events {
		if m.events[i].ID == id {
			return m.events[i].UserID
		}
	}
	return ""
}

// TestCohortsAreWhatTheRowsSay follows installs by hand.
func TestCohortsAreWhatTheRowsSay(t *testing.T) {
	w := open(t)
	m := newMarket(t, w)
	q := m.q
	q.Now = q.To.AddDate(0, 0, 2)
	rates, err := report.Resolve([]report.Rate{{Day: "2026-01-31", From: "EUR", To: "USD", Rate: "1.25"}, {Day: "2026-02-07", From: "EUR", To: "USD",
		Rate: "1.25"},
		{Day: "2026-02-14", From: "EUR", To: "USD", Rate: "1.25"}, {Day: "2026-02-21", From: "EUR", To: "USD", Rate: "1.25"}, {Day: "2026-02-28",
			From: "EUR", To: "USD", Rate: "1.25"},
		{Day: "2026-03-07", From: "EUR", To: "USD", Rate: "1.25"}}, "EUR", q.From, q.To.AddDate(0, 0, 31))
	if err != nil {
		t.Fatal(err)
	}
	q.Rates = rates
	installs := m.installed()
	ask := func(metric string) report.CohortsResult {
		t.Helper()
		q.Given = url.Values{"metric": {metric}, "cohort": {"week"}, "group_by": {"media_source"}, "days": {"20"}}
		got, err := report.Cohorts(t.Context(), w, q)
		if err != nil {
			t.Fatal(metric, err)
		}
		return got
	}
	active := make([]map[string]bool, 21)
	revenue := make([]*big.Rat, 21)
	for i := range active {
		active[i], revenue[i] = make(map[string]bool), new(big.Rat)
	}
	for i := range m.events {
		e := &m.events[i]
		install := installs[e.UserID]
		if install == nil || e.Time < install.Conversion.Time {
			continue
		}
		age := (e.Time - install.Conversion.Time) / attribution.Day
		if age > 20 {
			continue
		}
		active[age][e.UserID] = true
		if e.Name == "Order Completed" {
			worth := big.NewRat(e.Revenue, 1_000_000)
			if e.Currency == "USD" {
				worth.Mul(worth, big.NewRat(100, 125))
			}
			revenue[age].Add(revenue[age], worth)
		}
	}
	retention, ltv := ask("retention"), ask("ltv")
	if fmt.Sprint(retention.Total.Installs) != fmt.Sprint(len(installs)) || len(installs) < 10 || len(retention.Rows) < 4 {
		t.Fatalf("%s installs in %d rows, by hand %d", retention.Total.Installs, len(retention.Rows), len(installs))
	}
	sofar, size := new(big.Rat), big.NewRat(int64(len(installs)), 1)
	for day := range active {
		if got := string(retention.Total.Users[day]); got != fmt.Sprint(len(active[day])) {
			t.Errorf("day %d: %s came back, by hand %d", day, got, len(active[day]))
		}
		sofar.Add(sofar, revenue[day])
		want := new(big.Rat).Quo(sofar, size)
		got, _ := new(big.Rat).SetString(string(*ltv.Total.Values[day]))
		if off := got.Sub(got, want); off.Abs(off).Cmp(big.NewRat(1, 1_000_000)) > 0 {
			t.Errorf("day %d: revenue so far is %s of each install, by hand %s", day, *ltv.Total.Values[day], want.FloatString(6))
		}
	}
	if *retention.Total.Values[0] != "1.000000" || retention.Total.Complete < 10 || len(ltv.Unconverted) > 0 {
		t.Errorf("%+v %v", retention.Total, ltv.Unconverted)
	}
	sum := int64(0)
	for _, row := range retention.Rows {
		n, _ := new(big.Int).SetString(string(row.Installs), 10)
		sum += n.Int64()
	}
	if sum != int64(len(installs)) {
		t.Errorf("the rows have %d installs", sum)
	}
	t.Run("young cohorts are marked", func(t *testing.T) {
		q.Now = time.UnixMilli(base).AddDate(0, 0, 8)
		young := ask("retention")
		for _, row := range young.Rows {
			for day, v := range row.Values {
				if day > 8 && v != nil {
					t.Errorf("%s day %d has %s, and nobody is that old", row.Cohort, day, *v)
				}
			}
			if row.Complete > 8 {
				t.Errorf("%s: %d days are called complete", row.Cohort, row.Complete)
			}
		}
	})
	t.Run("roas", func(t *testing.T) {
		costs, err := report.CheckCosts([]report.Cost{{Date: "2026-02-05", MediaSource: "google", Cost: "10"}}, "EUR", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.PutCosts(t.Context(), q.App, costs, 1); err != nil {
			t.Fatal(err)
		}
		q.Now = q.To.AddDate(0, 0, 40)
		if got := ask("roas"); got.Total.Cost == nil || *got.Total.Cost == "0.000000" || got.Total.Values[20] == nil {
			t.Errorf("%+v", got.Total)
		}
	})
}

// TestFunnelCountsPeople sends three people through three steps.
func TestFunnelCountsPeople(t *testing.T) {
	w := open(t)
	at := base + 3_600_000
	track := func(id, name, user, anon string, minute int64) protocol.Event {
		return protocol.Event{ID: id, Kind: protocol.KindTrack, Name: name, UserID: user, AnonymousID: anon, Original: at + minute*60_000, Time: at +
			minute*60_000, Digest: 1, Country: "DE"}
	}
	looked := click("c1", "ann", at-60_000)
	looked.MediaSource = "mail"
	attributed(t, w, looked,
		track("a1", "Viewed", "", "phone", 0), track("a2", "Added", "ann", "phone", 5), track("a3", "Order Completed", "ann", "", 9), // one person by a link
		track("b1", "Viewed", "bob", "", 1), track("b2", "Order Completed", "bob", "", 2), // skips a step
		track("c2", "Viewed", "cat", "", 0), track("c3", "Added", "cat", "", 90), // too late
		track("d1", "Added", "dan", "", 0), track("d2", "Viewed", "dan", "", 1)) // the wrong way
	q := report.Query{App: "app", Apps: report.Apps{IDs: []string{"app"}}, From: time.UnixMilli(base), To: time.UnixMilli(base + attribution.Day), TZ: "UTC",
		Given: url.Values{"step": {"Viewed", "Added", "Order Completed"}, "window": {"1h"}}}
	got, err := report.Funnel(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	counts := func(r report.FunnelRow) string {
		text := ""
		for _, s := range r.Steps {
			text += fmt.Sprintf("%s-%s ", s.People, s.Dropped)
		}
		return text
	}
	if text := counts(got.Total); text != "4-3 1-0 1-0 " {
		t.Errorf("whole: %s", text)
	}
	for by, want := range map[report.Dimension]string{report.MediaSource: "organic 3-3 0-0 0-0 ;mail 1-0 1-0 1-0 ;", report.Country: "DE 4-3 1-0 1-0 ;"} {
		q.GroupBy = []report.Dimension{by}
		q.Given.Set("group_by", string(by))
		if got, err = report.Funnel(t.Context(), w, q); err != nil {
			t.Fatal(by, err)
		}
		text := ""
		for _, r := range got.Rows {
			text += r.Name + " " + counts(r) + ";"
		}
		if text != want {
			t.Errorf("by %s: %s", by, text)
		}
	}
	q.GroupBy = nil
	q.Given.Del("group_by")
	q.Filters = []report.Filter{{Field: report.MediaSource, Values: []string{"mail"}}}
	if got, err = report.Funnel(t.Context(), w, q); err != nil || counts(got.Total) != "1-0 1-0 1-0 " {
		t.Errorf("of mail: %s %v", counts(got.Total), err)
	}
	for _, bad := range []url.Values{{"step": {"a"}}, {"step": {"a", ""}}, {"step": {"a", "b"}, "window": {"1y"}}, {"step": {"a", "b"},
		"window": {"d"}}, {"step": {"a", "b"}, "window": {"91d"}}} {
		q.Given = bad
		if _, err := report.Funnel(t.Context(), w, q); err == nil {
			t.Errorf("%v was answered", bad)
		}
	}
}

// TestEventsAreShownWithWhatBecameOfThem lists, filters, pages and follows.
func TestEventsAreShownWithWhatBecameOfThem(t *testing.T) {
	w, q := shop(t)
	q.Given, q.Limit = url.Values{}, 4
	var ids []string
	for {
		page, err := report.ListEvents(t.Context(), w, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Data {
			ids = append(ids, e.ID)
			if e.ID == "o1" && (len(e.Became) != 2 || e.Revenue == nil || *e.Revenue != "140.000000" || fmt.Sprint(e.Marks) != "[untrusted]" ||
				string(e.Payload) != "{}") {
				t.Errorf("%+v", e)
			}
		}
		if page.NextCursor == nil {
			break
		}
		q.Cursor = *page.NextCursor
	}
	if len(ids) != 10 || ids[0] != "o2" {
		t.Errorf("%v", ids)
	}
	q.Cursor, q.Limit = "", 0
	for name, c := range map[string]struct {
		given   url.Values
		filters []string
		want    int
	}{
		"clicks": {url.Values{"type": {"click"}}, nil, 4}, "by name": {url.Values{"name": {"Order Completed"}}, nil, 3},
		"by id":       {url.Values{"id": {"o1"}}, nil, 1},
		"of a person": {url.Values{"q": {"u1"}}, nil, 6}, "of a source": {url.Values{}, []string{"media_source:TikTok"}, 2},
		"of another country": {url.Values{}, []string{"country:!DE"}, 4},
	} {
		q.Given = c.given
		var err error
		if q.Filters, err = report.ParseFilters(c.filters); err != nil {
			t.Fatal(err)
		}
		if page, err := report.ListEvents(t.Context(), w, q); err != nil || len(page.Data) != c.want {
			t.Errorf("%s: %d events, want %d; %v", name, len(page.Data), c.want, err)
		}
	}
	t.Run("live", func(t *testing.T) {
		now, err := w.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q := q
		q.Filters, q.Given = nil, url.Values{}
		live := report.NewLive(q, now)
		if _, _, err := live.Next(t.Context(), w, now); err != nil {
			t.Fatal(err)
		}
		insert(t, w, click("fresh", "u1", now.UnixMilli()))
		events, _, err := live.Next(t.Context(), w, now)
		if err != nil || len(events) != 1 || events[0].ID != "fresh" {
			t.Errorf("%+v %v", events, err)
		}
		if events, _, err = live.Next(t.Context(), w, now); err != nil || len(events) != 0 {
			t.Errorf("told twice: %+v %v", events, err)
		}
	})
}

// TestFraudReportCountsMarks marks an install's winner and another click.
func TestFraudReportCountsMarks(t *testing.T) {
	w := open(t)
	m := newMarket(t, w)
	marked, touches := 0, make(map[string]bool)
	for i := range m.rows {
		r := &m.rows[i].Result
		if i%3 == 0 && m.rows[i].Conversion.Install {
			r.Install.Fraud = attribution.BotAgent
			if o := r.Install.Outcome; o == attribution.NonOrganic || o == attribution.OrganicInstall {
				marked++
			}
			for k := range r.Candidates {
				if r.Candidates[k].Touch != nil {
					r.Candidates[k].Fraud = attribution.BotAgent
					touches[r.Candidates[k].Touch.ID] = true
				}
			}
			m.rows[i].Version++
		}
	}
	if err := w.InsertAttributions(t.Context(), m.rows); err != nil {
		t.Fatal(err)
	}
	q := m.q
	for _, by := range []string{"rule", "media_source", "rule,media_source,campaign,day"} {
		q.Given = url.Values{"by": {by}}
		got, err := report.FraudReport(t.Context(), w, q)
		if err != nil {
			t.Fatal(by, err)
		}
		if got.Total.Installs != int64(marked) || got.Total.Touches != int64(len(touches)) || marked == 0 || got.Total.InstallsOf != int64(len(m.installed())) {
			t.Errorf("by %s: %+v; by hand %d installs of %d, %d touches", by, got.Total, marked, len(m.installed()), len(touches))
		}
	}
	q.Given = url.Values{"by": {"luck"}}
	if _, err := report.FraudReport(t.Context(), w, q); err == nil {
		t.Error("by luck")
	}
}
