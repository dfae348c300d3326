package api

import (
	"context"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Evidence is the stored data besides the credited touches.
type Evidence interface {
	// Around tells what there is around a conversion of an app and was not credited.
	Around(ctx context.Context, app, conversion string) (report.Surroundings, error)
	// Conflicts tells which message ids, after one of them, were used for several contents.
	Conflicts(ctx context.Context, app, after string, limit int) (report.ConflictsResult, error)
}

func evidenceRoutes() []route {
	return []route{
		{method: "GET", path: "apps/{app}/conversions/{conversion}/around", rule: needs(access.RawRead), handle: aroundConversion,
			summary: "Who made a conversion, by which identity links, and which of their touches have no share of it, and why", reply: report.Surroundings{}},
		{method: "GET", path: "apps/{app}/late-touches", rule: needs(access.RawRead), handle: lateTouches,
			summary: "Touches that arrived later than the lateness limit, latest arrivals first, and how many conversions they were too late for",
			query:   []string{"from", "to", "tz"}, reply: report.LateTouches{}},
		{method: "GET", path: "apps/{app}/conflicts", rule: needs(access.RawRead), handle: listConflicts,
			summary: "Message ids that were used for several contents (event_id_conflict), by id; the first variant counts",
			query:   []string{"limit", "cursor"}, reply: report.ConflictsResult{}},
	}
}

// aroundConversion shows touches of any source, which are not for those who see only some sources.
func aroundConversion(c *call) (any, error) {
	q, err := c.question()
	if err != nil {
		return nil, err
	}
	_, found, err := report.Conversion(c.ctx, c.Reports, q, c.param("conversion"))
	if err == nil && !found {
		err = errNoRoute()
	}
	if err != nil {
		return nil, err
	}
	return answerOf(c.Evidence.Around(c.ctx, q.App, c.param("conversion")))
}

func lateTouches(c *call) (any, error) {
	q, err := c.question()
	if err != nil {
		return nil, err
	}
	return answerOf(report.ListLate(c.ctx, c.Reports, q))
}

func listConflicts(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	p, err := c.query()
	if err != nil {
		return nil, err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, err
	}
	return answerOf(c.Evidence.Conflicts(c.ctx, app.ID, p.get("cursor"), limit))
}
