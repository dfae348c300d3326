package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// The kinds of runs.
const (
	DataDriven = "data_driven"
	WhatIf     = "what_if"
	Erasure    = "erasure"
)

// Span is the range of a run, half-open.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// DataDrivenParameters say what to learn from.
type DataDrivenParameters struct {
	Span
	Currency string `json:"currency,omitempty"` // that revenue is converted to
}

// Directory knows apps, their settings and exchange rates.
type Directory interface {
	App(ctx context.Context, id string) (apps.App, error)
	Rates(ctx context.Context, from, to time.Time) ([]apps.Rate, error)
	Settings(app string, ms int64) *attribution.Settings
}

// Learn does runs of the kind DataDriven, over the paths that a store has.
func Learn(store report.Store, directory Directory) Kind {
	return func(ctx context.Context, job apps.Job, progress Progress) (any, error) {
		var p DataDrivenParameters
		if err := parameters(job, &p); err != nil {
			return nil, err
		}
		q, err := question(ctx, directory, job.App, p)
		if err != nil {
			return nil, err
		}
		progress(0.05, "")
		sums, err := report.Journeys(ctx, store, q)
		if err != nil {
			return nil, err
		}
		progress(0.3, "")
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		lost, err := report.LostJourneys(ctx, store, q, directory.Settings(job.App, p.To.UnixMilli()-1).ImpressionsInMTA)
		if err != nil {
			return nil, err
		}
		progress(0.7, "")
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return q.Learn(sums, lost)
	}
}

// parameters reads those of a run, which the API wrote.
func parameters(job apps.Job, into any) error {
	if err := json.Unmarshal(job.Parameters, into); err != nil {
		return &report.InvalidError{Reason: fmt.Sprintf("the parameters cannot be read: %v", err)}
	}
	return nil
}

// question is the run as a report's query. Runs see a whole app: nobody whose view
// of it is narrower may order or read them.
func question(ctx context.Context, directory Directory, app string, p DataDrivenParameters) (report.Query, error) {
	known, err := directory.App(ctx, app)
	if err != nil {
		return report.Query{}, err
	}
	q := report.Query{App: app, Apps: report.Apps{IDs: []string{app}}, From: p.From, To: p.To, TZ: known.Timezone, Currency: p.Currency, AppCurrency: known.Currency}
	if err := q.Validate(); err != nil || p.Currency == "" {
		return q, err
	}
	stored, err := directory.Rates(ctx, p.From.AddDate(0, 0, -report.MaxRateAge-1), p.To.AddDate(0, 0, 1))
	if err != nil {
		return q, err
	}
	rates := make([]report.Rate, len(stored))
	for i, r := range stored {
		rates[i] = report.Rate(r)
	}
	q.Rates, err = report.Resolve(rates, q.Currency, q.From, q.To)
	return q, err
}
