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

// What a range is when nothing was said: the last 30 days, and a little more for clocks that run ahead.
const (
	defaultRange = 30 * 24 * time.Hour
	defaultAhead = 5 * time.Minute
	maxValue     = 512 // bytes of a query parameter
)

// parameters are the query of a request, of which only the route's own names are left.
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
			return parameters{}, badRequest("The query parameter " + strconv.Quote(name[:min(len(name), 40)]) + " is unknown here: use " + strings.Join(c.route.query, ", ") + ".")
		case len(given) != 1:
			return parameters{}, badRequest("The query parameter " + name + " is given more than once.")
		case len(given[0]) > maxValue:
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
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return t, badRequest(name + " must be a time such as 2026-01-31T00:00:00Z or a date such as 2026-01-31.")
	}
	return t.UTC(), nil
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

// question makes a report query of the request: the app of the path, the range, and the narrowing of
// whoever asks. The permission was decided before; this decides how much of the app they see.
func (c *call) question() (report.Query, parameters, error) {
	p, err := c.query()
	if err != nil {
		return report.Query{}, p, err
	}
	app, err := c.Accounts.App(c.ctx, c.param("app"))
	if err != nil {
		return report.Query{}, p, err
	}
	filter, ok := access.Narrowing(c.principal, c.route.rule.permission, app.ID)
	if !ok {
		return report.Query{}, p, errNarrowing()
	}
	q := report.Query{
		App: app.ID, Apps: report.Apps{IDs: []string{app.ID}}, TZ: app.Timezone, Currency: p.get("currency"), AppCurrency: app.Currency,
		MediaSources: filter.MediaSources, Countries: filter.Countries, Cursor: p.get("cursor"),
	}
	switch p.get("fraud") {
	case "", "gross":
	case "net":
		q.Net = true
	default:
		return q, p, badRequest("fraud must be gross or net.")
	}
	if tz := p.get("tz"); tz != "" {
		q.TZ = tz
	}
	zone, err := time.LoadLocation(q.TZ)
	if err != nil {
		return q, p, badRequest("tz is not an IANA name such as Europe/Berlin.")
	}
	if q.Limit, err = p.limit(); err != nil {
		return q, p, err
	}
	if q.From, q.To, err = p.span(c.Now(), zone); err == nil && q.Currency != "" {
		err = c.rates(&q)
	}
	return q, p, err
}

// ask puts a question to the warehouse if it makes sense.
func ask[T any](c *call, q report.Query, run func(context.Context, report.Query) (T, error)) (any, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	return answerOf(run(c.ctx, q))
}

func overview(c *call) (any, error) {
	q, _, err := c.question()
	if err != nil {
		return nil, err
	}
	return ask(c, q, c.Reports.Overview)
}

func timeseries(c *call) (any, error) {
	q, p, err := c.question()
	if err != nil {
		return nil, err
	}
	q.Interval = report.Interval(cmp.Or(p.get("interval"), string(report.Day)))
	q.Metric = report.Metric(cmp.Or(p.get("metric"), string(report.Events)))
	return ask(c, q, c.Reports.Timeseries)
}

func attributionReport(c *call) (any, error) {
	q, p, err := c.question()
	if err != nil {
		return nil, err
	}
	if !q.ParseModel(cmp.Or(p.get("model"), attribution.LastTouch.String())) {
		return nil, badRequest("model must be one of " + strings.Join(report.ModelNames(), ", ") + ".")
	}
	for name := range strings.SplitSeq(cmp.Or(p.get("group_by"), string(report.MediaSource)), ",") {
		q.GroupBy = append(q.GroupBy, report.Dimension(name))
	}
	return ask(c, q, c.Reports.Attribution)
}

// compareReport is the attribution report under two models, side by side.
func compareReport(c *call) (any, error) {
	q, p, err := c.question()
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(cmp.Or(p.get("group_by"), string(report.MediaSource)), ",") {
		q.GroupBy = append(q.GroupBy, report.Dimension(name))
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
			return nil, err
		}
		if found := learned[name]; found != nil {
			sides[i] = *found
			continue
		}
		if sides[i], err = c.Reports.Attribution(c.ctx, side); err != nil {
			return nil, err
		}
	}
	return answerOf(report.Compare(sides[0], sides[1]))
}

// sources is the attribution report that a list of sources and campaigns needs.
func sources(c *call) (any, error) {
	q, _, err := c.question()
	if err != nil {
		return nil, err
	}
	q.Model, q.GroupBy = attribution.LastTouch, []report.Dimension{report.MediaSource, report.Campaign}
	return ask(c, q, c.Reports.Attribution)
}

func late(c *call) (any, error) {
	q, _, err := c.question()
	if err != nil {
		return nil, err
	}
	versions, err := c.settings()
	if err != nil {
		return nil, err
	}
	return ask(c, q, func(ctx context.Context, q report.Query) (report.LateResult, error) {
		return c.Reports.Late(ctx, q, &versions[0].Settings)
	})
}

func paths(c *call) (any, error) {
	q, _, err := c.question()
	if err != nil {
		return nil, err
	}
	return ask(c, q, c.Reports.Paths)
}

func conversions(c *call) (any, error) {
	q, _, err := c.question()
	if err != nil {
		return nil, err
	}
	if c.exporting {
		return ask(c, q, c.allConversions)
	}
	return ask(c, q, c.Reports.Conversions)
}

func conversion(c *call) (any, error) {
	q, _, err := c.question()
	if err != nil {
		return nil, err
	}
	return ask(c, q, func(ctx context.Context, q report.Query) (report.ConversionResult, error) {
		result, found, err := c.Reports.Conversion(ctx, q, c.param("conversion"))
		if err == nil && !found {
			err = errNoRoute()
		}
		return result, err
	})
}
