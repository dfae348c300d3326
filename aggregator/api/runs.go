package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Studies are computed beside the stored attributions.
type Studies interface {
	// Preview tells what settings would do to the conversions of a range, and stores nothing.
	Preview(ctx context.Context, app string, settings attribution.Settings, from, to int64) (report.EffectResult, error)
	// Forget removes the stored results of a what-if run.
	Forget(ctx context.Context, app, run string) error
}

// The kinds of runs, as package runs names them.
const (
	runDataDriven = "data_driven"
	runWhatIf     = "what_if"
)

func runRoutes() []route {
	const learned, simulated = "apps/{app}/reports/data-driven", "apps/{app}/backfills"
	one := apps.Run{}
	return []route{
		{method: "GET", path: learned, rule: needs(access.ReportsRead), handle: listRuns(runDataDriven), summary: "Runs of the models that learn from all paths, latest first, without results", reply: page[apps.Run]{}},
		{method: "POST", path: learned, rule: needs(access.ReportsRead), handle: startLearning, summary: "Learn Markov and Shapley credit from all paths of a range, also those without a conversion, in the background", body: learnBody{}, reply: one, status: http.StatusAccepted},
		{method: "GET", path: learned + "/{run}", rule: needs(access.ReportsRead), handle: readRun(runDataDriven), summary: "A run, its progress and, when it is done, its result", reply: one},
		{method: "POST", path: learned + "/{run}/cancel", rule: needs(access.ReportsRead), handle: cancelRun(runDataDriven), summary: "Cancel a run"},
		{method: "DELETE", path: learned + "/{run}", rule: needs(access.ReportsRead), handle: deleteRun(runDataDriven), summary: "Delete a run that is finished"},
		{method: "GET", path: simulated, rule: needs(access.ReportsRead), handle: listRuns(runWhatIf), summary: "What-if runs, latest first, without results", reply: page[apps.Run]{}},
		{method: "POST", path: simulated, rule: needs(access.AttributionConfigure), handle: startWhatIf, summary: "Attribute a range under other settings, in the background, beside what is stored", body: whatIfBody{}, reply: one, status: http.StatusAccepted},
		{method: "GET", path: simulated + "/{run}", rule: needs(access.ReportsRead), handle: readRun(runWhatIf), summary: "A what-if run, its progress and, when it is done, its result beside the present numbers", reply: one},
		{method: "POST", path: simulated + "/{run}/cancel", rule: needs(access.AttributionConfigure), handle: cancelRun(runWhatIf), summary: "Cancel a what-if run"},
		{method: "DELETE", path: simulated + "/{run}", rule: needs(access.AttributionConfigure), handle: deleteRun(runWhatIf), summary: "Delete a what-if run that is finished, and what it computed"},
		{method: "POST", path: "apps/{app}/attribution/preview", rule: needs(access.AttributionConfigure), handle: previewSettings, summary: "What a change of the settings would do to a range, of all its conversions or a sample; nothing is stored", body: previewBody{}, reply: report.EffectResult{}},
	}
}

// appOf is the app of the path. What runs compute cannot be narrowed afterwards, so their routes are for
// those who see all of it.
func appOf(c *call) (apps.App, error) { return c.Accounts.Apps.App(c.ctx, c.param("app")) }

// rangeBody is the range of a run, with the defaults of a report.
type rangeBody struct {
	From string `json:"from,omitempty"` // a time or a date in the app's time zone
	To   string `json:"to,omitempty"`
}

// runSpan is a range as a run keeps it.
type runSpan struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (b rangeBody) span(c *call, app apps.App, currency string) (runSpan, error) {
	zone, err := time.LoadLocation(app.Timezone)
	if err != nil {
		zone = time.UTC
	}
	p := parameters{map[string][]string{"from": {b.From}, "to": {b.To}}}
	from, to, err := p.span(c.Now(), zone)
	if err != nil {
		return runSpan{}, err
	}
	q := report.Query{App: app.ID, Apps: report.Apps{IDs: []string{app.ID}}, From: from, To: to, Currency: currency}
	return runSpan{from, to}, q.Validate()
}

type learnBody struct {
	rangeBody
	Currency string `json:"currency,omitempty"`
}

func startLearning(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	var body learnBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	span, err := body.span(c, app, body.Currency)
	if err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.Runs.CreateRun(c.ctx, app.ID, runDataDriven, "", struct {
		runSpan
		Currency string `json:"currency,omitempty"`
	}{span, body.Currency}))
}

type whatIfBody struct {
	rangeBody
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings"` // fields that it leaves out are as the app has them
}

func startWhatIf(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	var body whatIfBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.Name == "" {
		return nil, badRequest("The run needs a name.")
	}
	span, err := body.span(c, app, "")
	if err != nil {
		return nil, err
	}
	settings, err := c.changedSettings(body.Settings)
	if err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.Runs.CreateRun(c.ctx, app.ID, runWhatIf, body.Name, struct {
		runSpan
		Settings attribution.Settings `json:"settings"`
	}{span, settings}))
}

// changedSettings are the app's settings with some changed.
func (c *call) changedSettings(changes json.RawMessage) (attribution.Settings, error) {
	versions, err := c.settings()
	if err != nil {
		return attribution.Settings{}, err
	}
	changed := settingsBody{Settings: versions[0].Settings}
	var given map[string]json.RawMessage
	if json.Unmarshal(changes, &given) != nil {
		return changed.Settings, badRequest("The settings must be an object with those that change.")
	}
	if _, replaced := given["overrides"]; replaced {
		changed.Overrides = nil // else the new ones would be read into the old ones
	}
	decoder := json.NewDecoder(bytes.NewReader(changes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&changed); err != nil {
		return changed.Settings, badRequest("The settings cannot be used: " + strings.TrimPrefix(err.Error(), "json: ") + ".")
	}
	changed.Generation = versions[0].Generation
	if faults := changed.Validate(); len(faults) > 0 {
		return changed.Settings, badRequest(errors.Join(faults...).Error())
	}
	return changed.Settings, nil
}

type previewBody struct {
	rangeBody
	Settings json.RawMessage `json:"settings"`
}

func previewSettings(c *call) (any, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, err
	}
	var body previewBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	span, err := body.span(c, app, "")
	if err != nil {
		return nil, err
	}
	settings, err := c.changedSettings(body.Settings)
	if err != nil {
		return nil, err
	}
	return answerOf(c.Studies.Preview(c.ctx, app.ID, settings, span.From.UnixMilli(), span.To.UnixMilli()))
}

func listRuns(kind string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		app, err := appOf(c)
		if err != nil {
			return nil, err
		}
		runs, err := c.Accounts.Runs.List(c.ctx, app.ID, kind)
		if err != nil {
			return nil, err
		}
		return pageOf(runs), nil
	}
}

// studied is the run of the path, if it is of that kind.
func (c *call) studied(kind string) (apps.Run, error) {
	app, err := appOf(c)
	if err != nil {
		return apps.Run{}, err
	}
	run, err := c.Accounts.Runs.Run(c.ctx, app.ID, c.param("run"))
	if err == nil && run.Kind != kind {
		err = errNoRoute()
	}
	return run, err
}

// ownRun is the one of the path, for whoever ordered it or may configure attribution.
func (c *call) ownRun(kind string) (apps.Run, error) {
	run, err := c.studied(kind)
	if err == nil && run.By != c.session.User.ID && !access.Can(c.principal, access.AttributionConfigure, c.param("app")) {
		err = refusal(http.StatusForbidden, "forbidden", "Somebody else has ordered this run.")
	}
	return run, err
}

func readRun(kind string) func(*call) (any, error) {
	return func(c *call) (any, error) { return answerOf(c.studied(kind)) }
}

func cancelRun(kind string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		run, err := c.ownRun(kind)
		if err != nil {
			return nil, err
		}
		return nil, c.Accounts.Runs.CancelRun(c.ctx, run.App, run.ID)
	}
}

func deleteRun(kind string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		run, err := c.ownRun(kind)
		if err != nil {
			return nil, err
		}
		return nil, c.Accounts.Runs.DeleteRun(c.ctx, run.App, run.ID, func(run apps.Run) error {
			if run.Kind != runWhatIf {
				return nil
			}
			return c.Studies.Forget(c.ctx, run.App, run.ID)
		})
	}
}

// learnedIn returns the models that a run has learned, as a report's answers, and the question that they
// answer.
func (c *call) learnedIn(id string, q report.Query) (map[string]*report.AttributionResult, report.Query, error) {
	if len(q.MediaSources)+len(q.Countries) > 0 {
		return nil, q, errInPart()
	}
	run, err := c.Accounts.Runs.Run(c.ctx, q.App, id)
	switch {
	case err != nil:
		return nil, q, err
	case run.Kind != runDataDriven || run.State != apps.RunDone:
		return nil, q, badRequest("The run is not one of the data-driven models that is done.")
	}
	var span struct {
		runSpan
		Currency string `json:"currency"`
	}
	var found report.DataDrivenResult
	if err := errors.Join(json.Unmarshal(run.Parameters, &span), json.Unmarshal(run.Result, &found)); err != nil {
		return nil, q, fmt.Errorf("read run: %w", err)
	}
	q.From, q.To, q.Currency = span.From, span.To, span.Currency
	err = c.rates(&q)
	return map[string]*report.AttributionResult{string(report.Markov): found.Markov, string(report.Shapley): found.Shapley}, q, err
}
