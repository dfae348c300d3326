package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// The trials: how long clients of a live agent wait while something is wrong, beside how long the
// same clients of the same agent wait without it.
const (
	cutoff = "cutoff" // the agent was cut off for an hour, and hands its backlog over
	abuse  = "abuse"  // slow connections, gzip bombs, and ten times the quota of a key
)

// trial holds the measurements of one of them.
type trial struct {
	Name          string  `json:"name"`
	QuietP50      ms      `json:"quiet_ack_p50_ms"`
	QuietP99      ms      `json:"quiet_ack_p99_ms"`
	P50           ms      `json:"ack_p50_ms"`
	P99           ms      `json:"ack_p99_ms"`
	Ratio         float64 `json:"p99_ratio"` // less than 2 is wanted
	Requests      uint64  `json:"requests"`
	Failed        uint64  `json:"failed"`
	LivePerSecond float64 `json:"live_events_per_second"`

	Backlog        int64   `json:"backlog_events,omitempty"`
	DrainPerSecond float64 `json:"drain_events_per_second,omitempty"` // of the backlog alone
	DrainRatio     float64 `json:"drain_to_live_ratio,omitempty"`     // at least 3 is wanted
	PeakMB         float64 `json:"peak_resident_mb"`
	Note           string  `json:"note"`
}

// compare notes the latencies of clients without the disturbance and with it.
func (t *trial) compare(quiet, under *outcome) {
	t.QuietP50, t.QuietP99 = milliseconds(quiet.latency.quantile(0.5)), milliseconds(quiet.latency.quantile(0.99))
	t.P50, t.P99 = milliseconds(under.latency.quantile(0.5)), milliseconds(under.latency.quantile(0.99))
	t.Requests, t.Failed = under.requests, quiet.failed+under.failed
	if t.QuietP99 > 0 {
		t.Ratio = float64(t.P99 / t.QuietP99)
	}
}

// trials runs those that are asked for.
func (s *suite) trials(ctx context.Context) error {
	for _, one := range []struct {
		name string
		run  func(context.Context, string, *trial) error
	}{{cutoff, s.cutoffTrial}, {abuse, s.abuseTrial}} {
		if !wanted(agent+"/"+one.name, s.only) {
			continue
		}
		fmt.Fprintf(s.log, "%-10s ", agent+"/"+one.name)
		if err := s.needAgent(ctx); err != nil {
			return err
		}
		t := trial{Name: one.name}
		settle()
		if err := one.run(ctx, filepath.Join(s.dir, one.name), &t); err != nil {
			return fmt.Errorf("measure %s: %w", one.name, err)
		}
		fmt.Fprintf(s.log, "p99 %8.3f ms without, %8.3f ms with\n", t.QuietP99, t.P99)
		s.results.Trials = append(s.results.Trials, t)
	}
	return nil
}

// add counts what another load has seen.
func (o *outcome) add(other *outcome) {
	o.requests += other.requests
	o.failed += other.failed
	o.latency.merge(&other.latency)
}

// until runs a load until ctx ends, which is no error.
func (l *load) until(ctx context.Context) (*outcome, error) {
	o, err := l.run(ctx, func() {})
	if o != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return o, err
}

// expect asks for something and checks the status of the answer.
func (s *server) expect(ctx context.Context, path string, status int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address.String()+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // only the status matters
	if resp.StatusCode != status {
		return fmt.Errorf("%s answers %s, not %d", path, resp.Status, status)
	}
	return nil
}

// trialTable prints the trials for people.
func trialTable(w io.Writer, list []trial) error {
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nThe agent when something is wrong, beside the same load without (wanted: p99 less than twice, drain at least 3 times live):\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "trial\tquiet p50 ms\tquiet p99 ms\tp50 ms\tp99 ms\tratio\tfailed\tdrained events/s\tof live\tpeak MB\t")
	for _, c := range list {
		drained, ratio := "", ""
		if c.Backlog > 0 {
			drained, ratio = group(c.DrainPerSecond), fmt.Sprintf("%.0f", c.DrainRatio)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t%s\t%s\t%.0f\t\n", c.Name, c.QuietP50, c.QuietP99, c.P50, c.P99, c.Ratio, c.Failed, drained, ratio, c.PeakMB)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range list {
		fmt.Fprintf(w, "%s: %s\n", c.Name, c.Note)
	}
	return nil
}
