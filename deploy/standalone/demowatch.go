package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/standalone/traffic"
)

// watcher asks the console API how much the system shows of the sample traffic.
type watcher struct {
	api      *client
	app      string
	from, to time.Time
	sent     time.Time     // of the last request
	every    time.Duration // between two questions
	patience time.Duration
}

// standing is the state of the reports.
type standing struct {
	counts  overviewCounts
	sources attributed
}

// overviewCounts is the answer of the overview report.
type overviewCounts struct {
	Events, Clicks, Impressions, Installs, Conversions int
	Revenue                                            []struct{ Currency, Amount string }
	FreshUntil                                         time.Time `json:"fresh_until"`
}

// attributed is the attribution report by media source under one model.
type attributed struct {
	Model, Currency string
	Rows            []struct {
		MediaSource          string `json:"media_source"`
		Conversions, Revenue string
	}
	Total struct{ Conversions string }
}

// shows says whether everything that was sent is there, and every conversion
// has been credited to somebody.
func (s *standing) shows(want *traffic.Summary) bool {
	credited, _, _ := strings.Cut(s.sources.Total.Conversions, ".")
	return s.counts.Events >= want.Events && s.counts.Installs >= want.Installs &&
		s.counts.Conversions >= want.Installs+want.Orders && credited == fmt.Sprint(s.counts.Conversions)
}

// calmAfter is how many equal answers in a row mean that nothing more comes.
const calmAfter = 10

// await returns the state of the reports once they show everything. They may have
// shown as much before, of other traffic: so the last request must have arrived
// too, or, since it may have held nothing new, nothing have changed for a while.
func (w *watcher) await(ctx context.Context, want *traffic.Summary, shown *progress) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	defer shown.end()
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	var now standing
	for calm := 0; ; {
		before := fmt.Sprint(now)
		err := w.ask(ctx, want, &now)
		if calm++; fmt.Sprint(now) != before {
			calm = 0
		}
		arrived := !now.counts.FreshUntil.Before(w.sent) && calm > 0
		if err == nil && now.shows(want) && (arrived || calm >= calmAfter) {
			shown.at(now.counts.Events)
			return now, nil
		}
		if err != nil && ctx.Err() == nil {
			return now, err
		}
		shown.at(now.counts.Events)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return now, fmt.Errorf("after %s the reports show %d of %d events, %d of %d conversions, %s of them credited: see make status and make logs",
				w.patience, now.counts.Events, want.Events, now.counts.Conversions, want.Installs+want.Orders, now.sources.Total.Conversions)
		}
	}
}

// ask asks for the overview, and for the credits once the events are there.
func (w *watcher) ask(ctx context.Context, want *traffic.Summary, now *standing) error {
	if err := w.report(ctx, "overview", nil, &now.counts); err != nil {
		return err
	}
	if now.counts.Events < want.Events {
		return nil
	}
	now.sources = attributed{}
	return w.report(ctx, "attribution", url.Values{"model": {"position_based"}, "group_by": {"media_source"}}, &now.sources)
}

// report asks for one of the app's reports over the time of the traffic.
func (w *watcher) report(ctx context.Context, name string, query url.Values, out any) error {
	q := url.Values{"from": {w.from.Format(time.RFC3339Nano)}, "to": {w.to.Format(time.RFC3339Nano)}}
	for key, values := range query {
		q[key] = values
	}
	return w.api.call(ctx, http.MethodGet, "apps/"+w.app+"/reports/"+name+"?"+q.Encode(), nil, out)
}
