package api

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// The range of a question without one: the last 30 days, and a little more for clocks that run ahead.
const (
	defaultRange = 30 * 24 * time.Hour
	defaultAhead = 5 * time.Minute
	maxValue     = 2048 // bytes of a query parameter
	maxRepeated  = 100  // times that one can be given
)

// repeated are the parameters that can be given more than once.
func repeated() []string { return []string{"filter", "step"} }

// parameters are the query of a request, which has only names that the route knows.
type parameters struct{ values url.Values }

// query reads the query string. A name that the route does not know, or one given twice, is refused.
func (c *call) query() (parameters, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return parameters{}, badRequest("The query string cannot be read.")
	}
	for name, given := range values {
		switch {
		case !slices.Contains(c.route.query, name):
			return parameters{}, badRequest("The query parameter " + strconv.Quote(name[:min(len(name), 40)]) + " is unknown here: use " +
				strings.Join(c.route.query, ", ") + ".")
		case len(given) != 1 && !slices.Contains(repeated(), name):
			return parameters{}, badRequest("The query parameter " + name + " is given more than once.")
		case len(given) > maxRepeated || slices.ContainsFunc(given, func(text string) bool { return len(text) > maxValue }):
			return parameters{}, badRequest("The query parameter " + name + " is too long.")
		}
	}
	return parameters{values}, nil
}

func (p parameters) get(name string) string { return p.values.Get(name) }

func (p parameters) limit() (int, error) {
	text := p.get("limit")
	if text == "" {
		return report.DefaultLimit, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > report.MaxLimit {
		return 0, badRequest("limit must be 1 to " + strconv.Itoa(report.MaxLimit) + ".")
	}
	return limit, nil
}

// moment reads an RFC 3339 time, or a date, which means its midnight in the zone.
func moment(name, text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, badRequest(name + " must be a time such as 2026-01-31T00:00:00Z or a date such as 2026-01-31.")
	}
	return report.DayStart(t.Year(), t.Month(), t.Day(), zone).UTC(), nil
}

// span reads from and to.
func (p parameters) span(now time.Time, zone *time.Location) (from, to time.Time, err error) {
	from, to = now.Add(-defaultRange).UTC(), now.Add(defaultAhead).UTC()
	if text := p.get("to"); text != "" {
		if to, err = moment("to", text, zone); err != nil {
			return from, to, err
		}
		from = to.Add(-defaultRange)
	}
	if text := p.get("from"); text != "" {
		if from, err = moment("from", text, zone); err != nil {
			return from, to, err
		}
	}
	return from, to, nil
}

// asks is the line of a report: its path, its summary, the function that answers,
// and the parameters that it takes.
func asks[T any](path, summary string, answer func(context.Context, report.Store, report.Query) (T, error), query string) route {
	var reply T
	handle := func(c *call) (any, error) {
		q, err := c.question()
		if err != nil {
			return nil, err
		}
		return answerOf(answer(c.ctx, c.Reports, q))
	}
	return route{method: "GET", path: "apps/{app}/" + path, rule: needs(access.ReportsRead).inPart(), handle: handle, summary: summary,
		query: with(query), reply: reply}
}

// question makes a valid report query of the request: the app of the path, the range, the other parameters,
// and the narrowing of whoever asks, as the route table decided it.
func (c *call) question() (report.Query, error) {
	p, err := c.query()
	if err != nil {
		return report.Query{}, err
	}
	app, err := c.Accounts.Apps.App(c.ctx, c.param("app"))
	if err != nil {
		return report.Query{}, err
	}
	q := c.narrowed()
	versions, err := c.settings()
	if err != nil {
		return q, err
	}
	q.TZ, q.Currency, q.AppCurrency, q.Settings = cmp.Or(p.get("tz"), app.Timezone), p.get("currency"), app.Currency, &versions[0].Settings
	if slices.Contains(c.route.query, "interval") {
		q.Interval, q.Metric = report.Interval(cmp.Or(p.get("interval"), string(report.Day))), report.Metric(cmp.Or(p.get("metric"), string(report.Events)))
	}
	if q.Aliases, err = c.Accounts.Apps.Aliases(c.ctx, app.ID); err != nil {
		return q, err
	}
	q.Now = c.Now()
	q.Cursor, q.All, q.Given, q.IDs = p.get("cursor"), c.exporting, p.values, seesIDs(c)
	if c.route.converts {
		q.Currency = cmp.Or(q.Currency, q.AppCurrency)
	}
	if q.Filters, err = report.ParseFilters(p.values["filter"]); err != nil {
		return q, err
	}
	if err := p.choices(&q); err != nil {
		return q, err
	}
	zone, err := time.LoadLocation(q.TZ)
	if err != nil {
		return q, badRequest("tz is not an IANA name such as Europe/Berlin.")
	}
	if q.Limit, err = p.limit(); err != nil {
		return q, err
	}
	if q.From, q.To, err = p.span(c.Now(), zone); err != nil {
		return q, err
	}
	if text := p.get("as_of"); text != "" {
		at, err := moment("as_of", text, zone)
		if err != nil {
			return q, err
		}
		q.AsOf = at.UnixMilli()
	}
	if err := q.Validate(); err != nil {
		return q, err
	}
	return q, c.rates(&q)
}

// narrowed is a query of the app of the path with as much of it as whoever asks may see.
func (c *call) narrowed() report.Query {
	app := c.param("app")
	return report.Query{App: app, Apps: report.Apps{IDs: []string{app}}, MediaSources: c.filter.MediaSources, Countries: c.filter.Countries}
}

// choices reads the parameters that take one of several words.
func (p parameters) choices(q *report.Query) error {
	switch p.get("fraud") {
	case "", "gross":
	case "net":
		q.Net = true
	default:
		return badRequest("fraud must be gross or net.")
	}
	if !q.ParseModel(cmp.Or(p.get("model"), attribution.LastTouch.String())) {
		return badRequest("model must be one of " + strings.Join(report.ModelNames(), ", ") + ".")
	}
	for name := range strings.SplitSeq(cmp.Or(p.get("group_by"), string(report.MediaSource)), ",") {
		q.GroupBy = append(q.GroupBy, report.Dimension(name))
	}
	return nil
}

// compareReport is the attribution report under two models, side by side.
func compareReport(c *call) (any, error) {
	q, err := c.question()
	if err != nil {
		return nil, err
	}
	p, err := c.query()
	if err != nil {
		return nil, err
	}
	var learned map[string]*report.AttributionResult
	if id := p.get("run"); id != "" {
		if learned, q, err = c.learnedIn(id, q); err != nil {
			return nil, err
		}
	}
	var sides [2]report.AttributionResult
	for i, name := range []string{cmp.Or(p.get("a"), attribution.FirstTouch.String()), cmp.Or(p.get("b"), attribution.LastTouch.String())} {
		side := q
		if !side.ParseModel(name) {
			return nil, badRequest("a and b must each be one of " + strings.Join(report.ModelNames(), ", ") + ".")
		}
		if err := side.Validate(); err != nil {
			return nil, err // a data-driven model takes fewer dimensions
		}
		if found := learned[name]; found != nil {
			sides[i] = *found
			continue
		}
		if sides[i], err = report.Attribution(c.ctx, c.Reports, side); err != nil {
			return nil, err
		}
	}
	return answerOf(report.Compare(sides[0], sides[1]))
}

// seesIDs says whether whoever asks may see the ids of people, devices and messages.
func seesIDs(c *call) bool {
	raw, ok := access.Narrowing(c.principal, access.RawRead, c.param("app"))
	return ok && (len(raw.MediaSources)+len(raw.Countries) == 0 ||
		slices.Equal(raw.MediaSources, c.filter.MediaSources) && slices.Equal(raw.Countries, c.filter.Countries))
}

func why(c *call) (any, error) {
	q, err := c.question()
	if err != nil {
		return nil, err
	}
	return answerOf(report.Why(c.ctx, c.Reports, q))
}

func conversion(c *call) (any, error) {
	q, err := c.question()
	if err != nil {
		return nil, err
	}
	result, found, err := report.Conversion(c.ctx, c.Reports, q, c.param("conversion"))
	if err == nil && !found {
		err = errNoRoute()
	}
	return result, err
}
