package report

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

// january is a valid query of one month.
func january() Query {
	return Query{
		App: "app-1", Apps: Apps{IDs: []string{"app-1"}}, AppCurrency: "EUR",
		From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
		Interval: Day, Metric: Events, Model: attribution.Linear,
	}
}

// narrowed is the same for a person with a narrower view, whose filters try to
// break out of the text.
func narrowed() Query {
	q := january()
	q.MediaSources, q.Countries = []string{"Google Ads", `'); DROP TABLE events; --`}, []string{"DE", `\`}
	return q
}

func render(statements ...Statement) string {
	var b strings.Builder
	for _, s := range statements {
		fmt.Fprintf(&b, "%s\n", s.SQL)
		for _, a := range s.Args {
			text, err := json.Marshal(a)
			if err != nil {
				fmt.Fprint(&b, err)
			}
			fmt.Fprintf(&b, "  ← %s\n", text)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestSQL holds every statement against the file of its name. Run with -update to
// rewrite them, and read the difference.
func TestSQL(t *testing.T) {
	cases := map[string]func(q Query) []Statement{
		"overview": func(q Query) []Statement {
			o := overviewStatements(&q)
			return []Statement{o.Events, o.Touches, o.Conversions, o.Installs, o.Reengaged, o.Names, o.Revenue, o.Fresh}
		},
		"timeseries": func(q Query) []Statement {
			var list []Statement
			for _, m := range []Metric{Events, Clicks, Impressions, Installs, Conversions, Revenue} {
				q.Metric = m
				list = append(list, timeseriesSQL(&q))
			}
			return list
		},
		"net": func(q Query) []Statement {
			q.Net = true
			lost := lostStatements(&q, true)
			return []Statement{attributionSQL(&q), pathsStatements(&q).Lags, conversionsSQL(&q), lost.Converted, lost.Links, lost.Touches}
		},
		"converted": func(q Query) []Statement {
			q.Currency, q.Metric = "USD", Revenue
			return []Statement{overviewStatements(&q).Revenue, timeseriesSQL(&q), attributionSQL(&q), journeysSQL(&q), pathsStatements(&q).Top}
		},
		"attribution": func(q Query) []Statement {
			first := attributionSQL(&q)
			q.Model, q.GroupBy = attribution.PositionBased, dimensions()
			second := attributionSQL(&q)
			q.DataDriven, q.GroupBy = Markov, nil
			return []Statement{first, second, journeysSQL(&q)}
		},
		"paths": func(q Query) []Statement {
			p := pathsStatements(&q)
			return []Statement{p.Top, p.Lengths, p.Lags}
		},
		"late": func(q Query) []Statement {
			s := attribution.Default()
			q.Settings = &s
			return []Statement{lateRows(&q), lateTouches(&q), conflictsSQL(&q)}
		},
		"performance": func(q Query) []Statement {
			q.Currency, q.TZ, q.GroupBy = "EUR", "Europe/Berlin", []Dimension{MediaSource, Sub1, Platform, ByWeek}
			q.Given = url.Values{"metrics": {strings.Join(gridMetrics(), ",")}, "event": {"Buy'd"}}
			q.Filters = []Filter{{Field: AppVersion, Not: true, Values: []string{"1'"}}}
			q.Aliases = map[string]string{"fb": "facebook", "x'?": "y"}
			first, err := q.grid()
			q.GroupBy, q.Given, q.Filters, q.Net = []Dimension{Campaign, Country}, url.Values{"models": {"all"}}, nil, true
			second, err2 := q.grid()
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			var list []Statement
			for _, g := range []Grid{first, second} {
				for _, s := range g.summings() {
					list = append(list, s.statement(&g.Query))
				}
			}
			return list
		},
		"conversions": func(q Query) []Statement {
			first := conversionsSQL(&q)
			q.Limit, q.Cursor = 10, *mark{1_767_300_000_000, "m'1"}.cursor()
			return []Statement{first, conversionsSQL(&q), countryOf(&q, "m'1")}
		},
	}
	for name, statements := range cases {
		for view, q := range map[string]Query{"": january(), "_narrowed": narrowed()} {
			t.Run(name+view, func(t *testing.T) {
				if err := q.Validate(); err != nil {
					t.Fatal(err)
				}
				golden(t, name+view+".sql", render(statements(q)...))
			})
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Query)
		want   string
	}{
		"no app":        {func(q *Query) { q.App = "" }, "the app is missing"},
		"foreign app":   {func(q *Query) { q.App = "app-2" }, "outside your scope"},
		"no scope":      {func(q *Query) { q.Apps = Apps{} }, "outside your scope"},
		"empty range":   {func(q *Query) { q.To = q.From }, "from must be before to"},
		"long range":    {func(q *Query) { q.To = q.From.AddDate(6, 0, 0) }, "longer than"},
		"zone":          {func(q *Query) { q.TZ = "Mars/Olympus" }, "tz is not"},
		"local zone":    {func(q *Query) { q.TZ = "Local" }, "tz is not"},
		"interval":      {func(q *Query) { q.Interval = "minute" }, "interval must be"},
		"metric":        {func(q *Query) { q.Metric = "luck" }, "metric must be"},
		"model":         {func(q *Query) { q.Model = attribution.ModelCount }, "model is unknown"},
		"dimension":     {func(q *Query) { q.GroupBy = []Dimension{"payload"} }, "group_by must be"},
		"dimension 2x":  {func(q *Query) { q.GroupBy = []Dimension{Ad, Ad} }, "group_by must be"},
		"limit":         {func(q *Query) { q.Limit = MaxLimit + 1 }, "limit must be"},
		"many filters":  {func(q *Query) { q.Countries = make([]string, MaxFilter+1) }, "more than"},
		"long filter":   {func(q *Query) { q.MediaSources = []string{strings.Repeat("x", maxName+1)} }, "longer than"},
		"long currency": {func(q *Query) { q.Currency = strings.Repeat("E", 17) }, "currency"},
		"no currency":   {func(q *Query) { q.Currency = "'--" }, "currency"},
	} {
		q := january()
		c.change(&q)
		err := q.Validate()
		var fault *InvalidError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	q := january()
	if err := q.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDecimals(t *testing.T) {
	for n, want := range map[int64]Decimal{
		0: "0.000000", 1: "0.000001", -1: "-0.000001", 1_333_333: "1.333333", -140_000_000: "-140.000000",
		1<<63 - 1: "9223372036854.775807", -1 << 63: "-9223372036854.775808",
	} {
		if got := Millionths(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	sums, err := revenueOf([]CurrencySum{{Currency: "USD", Sum: "170141183460469231731687303715884105727"}, {Currency: "EUR", Sum: "-5"}})
	if err != nil || sums[0].Money != (Money{"EUR", "-0.000005"}) || sums[0].Refunds != "0.000005" || sums[1].Amount != "170141183460469231731687303715884.105727" {
		t.Errorf("%v %v", sums, err)
	}
	if _, err := revenueOf([]CurrencySum{{Currency: "EUR", Sum: "1e3"}}); err == nil {
		t.Error("1e3 was taken for an integer")
	}
}

// TestBucketsFollowTheClockOfTheZone covers the days on which clocks change, and
// zones that are not whole hours away.
func TestBucketsFollowTheClockOfTheZone(t *testing.T) {
	for name, c := range map[string]struct {
		zone     string
		interval Interval
		from, to string
		want     string
	}{
		"spring in Berlin":            {"Europe/Berlin", Day, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", "27T23 28T23 29T22"},
		"autumn in Berlin":            {"Europe/Berlin", Day, "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z", "24T22 25T23"},
		"weeks begin Mondays":         {"UTC", Week, "2026-01-01T00:00:00Z", "2026-01-12T00:00:01Z", "29T00 05T00 12T00"},
		"Sunday":                      {"UTC", Week, "2026-01-11T23:59:59Z", "2026-01-12T00:00:00Z", "05T00"},
		"a midnight that is skipped":  {"America/Santiago", Day, "2026-09-05T04:00:00Z", "2026-09-08T03:00:00Z", "05T04 06T04 07T03"},
		"a midnight that comes twice": {"America/Havana", Day, "2026-10-31T04:00:00Z", "2026-11-03T05:00:00Z", "31T04 01T04 02T05"},
		"a day that is left out":      {"Pacific/Apia", Day, "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", "29T10 30T10"},
		"half hours":                  {"Asia/Kolkata", Hour, "2026-01-01T00:45:00Z", "2026-01-01T02:00:00Z", "01T00 01T01"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		q := Query{Interval: c.interval}
		q.From, _ = time.Parse(time.RFC3339, c.from)
		q.To, _ = time.Parse(time.RFC3339, c.to)
		var got []string
		for _, b := range q.buckets(zone) {
			got = append(got, b.UTC().Format("02T15"))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

func TestTimeseriesFillsAndSums(t *testing.T) {
	q := january()
	q.Metric, q.TZ = Revenue, "Europe/Berlin"
	q.From, q.To = time.Date(2026, 3, 27, 23, 0, 0, 0, time.UTC), time.Date(2026, 3, 30, 22, 0, 0, 0, time.UTC)
	at := func(day, hour int) int64 {
		return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC).UnixMilli() / quarter
	}
	got, err := q.timeseriesOf([]QuarterSum{
		{Quarter: at(27, 23), Currency: "EUR", Sum: "1"}, {Quarter: at(28, 22), Currency: "EUR", Sum: "2"}, {Quarter: at(28, 23), Currency: "EUR",
			Sum: "4"}, {Quarter: at(29, 21), Currency: "EUR", Sum: "8"}, {Quarter: at(29, 22), Currency: "EUR", Sum: "16"}, {Quarter: at(29, 22),
			Currency: "USD", Sum: "99"},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"metric":"revenue","interval":"day","currency":"EUR","points":[{"time":"2026-03-27T23:00:00Z","value":"0.000003"},` +
		`{"time":"2026-03-28T23:00:00Z","value":"0.000012"},{"time":"2026-03-29T22:00:00Z","value":"0.000016"}]}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestCurrencyOfAReport(t *testing.T) {
	for name, c := range map[string]struct {
		asked, app string
		in         map[string]int64
		want       string
	}{
		"the asked one":             {"GBP", "EUR", map[string]int64{"EUR": 1}, "GBP"},
		"the app's if in range":     {"", "EUR", map[string]int64{"USD": 9, "EUR": 1}, "EUR"},
		"else the most frequent":    {"", "EUR", map[string]int64{"USD": 2, "GBP": 3}, "GBP"},
		"equally frequent: by name": {"", "EUR", map[string]int64{"USD": 3, "GBP": 3}, "GBP"},
		"nothing in range":          {"", "EUR", nil, "EUR"},
	} {
		q := Query{Currency: c.asked, AppCurrency: c.app}
		if got := q.pickCurrency(c.in); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
