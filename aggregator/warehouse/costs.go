package warehouse

import (
	"context"
	"fmt"

	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Costs is what advertising cost, as it was imported.
type Costs struct{ *server }

// PutCosts stores costs of an app as known at a time, in milliseconds, and returns how
// many of them take the place of others.
func (w *Costs) PutCosts(ctx context.Context, app string, costs []report.Cost, asOf int64) (replaced int, err error) {
	known, err := report.KnownCosts(ctx, w.server, app, costs)
	if err != nil {
		return 0, err
	}
	for i := range costs {
		if known[costs[i].Key()] {
			replaced++
		}
	}
	rows := pointers(costs)
	columns := []column{
		pick("app_id", rows, func(*report.Cost) string { return app }),
		pick("date", rows, func(c *report.Cost) string { return c.Date }),
		pick("media_source", rows, func(c *report.Cost) string { return c.MediaSource }),
		pick("campaign", rows, func(c *report.Cost) string { return c.Campaign }),
		pick("adset", rows, func(c *report.Cost) string { return c.AdSet }),
		pick("ad", rows, func(c *report.Cost) string { return c.Ad }),
		pick("country", rows, func(c *report.Cost) string { return c.Country }),
		pick("as_of", rows, func(*report.Cost) int64 { return asOf }),
		pick("currency", rows, func(c *report.Cost) string { return c.Currency }),
		pick("cost", rows, func(c *report.Cost) int64 { return c.Micros }),
		pick("impressions", rows, func(c *report.Cost) int64 { return c.Impressions }),
		pick("clicks", rows, func(c *report.Cost) int64 { return c.Clicks }),
	}
	if err := w.send(ctx, "costs", columns, len(rows)); err != nil {
		return 0, fmt.Errorf("store costs: %w", err)
	}
	return replaced, nil
}
