package api

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Costs stores what advertising cost. The warehouse does.
type Costs interface {
	// PutCosts stores costs as known at a time in milliseconds, and returns how many took the place of others.
	PutCosts(ctx context.Context, app string, costs []report.Cost, asOf int64) (replaced int, err error)
}

// costsBody are costs, or a file of them.
type costsBody struct {
	Currency    string        `json:"currency,omitempty"`     // of rows that name none; the app's if this is missing too
	MediaSource string        `json:"media_source,omitempty"` // of rows that name none
	Rows        []report.Cost `json:"rows,omitempty"`
	File        string        `json:"file,omitempty"`
	DryRun      bool          `json:"dry_run,omitempty"`
}

// costsAnswer tells what became of an import.
type costsAnswer struct {
	Stored   int       `json:"stored"` // keys; 0 of a dry run
	Replaced int       `json:"replaced"`
	Rows     int       `json:"rows"`    // that were read
	Skipped  int       `json:"skipped"` // lines of totals
	Format   string    `json:"format"`  // rows, ours, google_ads, meta, tiktok or apple_search_ads
	AsOf     time.Time `json:"as_of"`
}

// putCosts imports costs. Whoever sees an app only in part imports for their media sources alone.
func putCosts(c *call) (any, error) {
	app, err := c.Accounts.Apps.App(c.ctx, c.param("app"))
	if err != nil {
		return nil, err
	}
	body, err := readCosts(c)
	if err != nil {
		return nil, err
	}
	answer := costsAnswer{Format: "rows", AsOf: c.Now().UTC().Truncate(time.Millisecond)}
	rows := body.Rows
	if body.File != "" {
		file, err := report.ParseCosts([]byte(body.File))
		if err != nil {
			return nil, err
		}
		rows, answer.Format, answer.Skipped = file.Costs, file.Format, file.Skipped
	}
	answer.Rows = len(rows)
	costs, err := report.CheckCosts(rows, cmp.Or(body.Currency, app.Currency), body.MediaSource)
	if err != nil {
		return nil, err
	}
	if err := ownSources(c, costs); err != nil {
		return nil, err
	}
	if body.DryRun {
		return answer, nil
	}
	if answer.Replaced, err = c.Costs.PutCosts(c.ctx, app.ID, costs, answer.AsOf.UnixMilli()); err != nil {
		return nil, err
	}
	answer.Stored = len(costs)
	detail := map[string]any{"stored": answer.Stored, "replaced": answer.Replaced, "format": answer.Format}
	return answer, c.Accounts.Record(c.ctx, "costs.import", postgres.Success, c.name(), app.ID, detail)
}

// readCosts reads the body as JSON, or as a file whose settings are in the query string.
func readCosts(c *call) (costsBody, error) {
	var body costsBody
	p, err := c.query()
	if err != nil {
		return body, err
	}
	if !strings.HasPrefix(c.r.Header.Get("Content-Type"), "text/csv") {
		err = c.body(&body)
		return body, err
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxFile))
	if err != nil {
		return body, errTooLarge()
	}
	body = costsBody{File: string(text), Currency: p.get("currency"), MediaSource: p.get("media_source"), DryRun: p.get("dry_run") == "true"}
	if len(text) == 0 {
		err = badRequest("The file is empty.")
	}
	return body, err
}

// ownSources refuses costs of media sources and countries that whoever asks does not see.
func ownSources(c *call, costs []report.Cost) error {
	q := c.narrowed()
	for i := range costs {
		if !q.SeesCost(&costs[i]) {
			return refusal(http.StatusForbidden, "forbidden", "Your roles show you this app only in part: row "+costs[i].MediaSource+" "+costs[i].Country+" is "+
				"not in it.")
		}
	}
	return nil
}
