package recompute

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of one Attributor.
type metrics struct {
	computed  prometheus.Counter
	written   prometheus.Counter
	dropped   prometheus.Counter
	truncated prometheus.Counter
	failures  *prometheus.CounterVec
	sweep     prometheus.Histogram
	mark      atomic.Int64 // the watermark of a sweep of this node in Unix milliseconds, 0 while another node sweeps

	mismatched     prometheus.Gauge
	lastMismatched atomic.Int64 // of the sweep
	lastDifferent  atomic.Int64 // of the comparison with the second implementation
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	m := &metrics{
		computed: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_attributions_computed_total", Help: "Attributions computed, whether they had changed or not."}),
		written: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_attributions_written_total", Help: "Attributions that were new or had changed."}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_attribution_hints_dropped_total", Help: "New facts left to the sweep because the fast path was full."}),
		truncated: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_attribution_truncated_total", Help: "Recomputations of people with more ids than are followed."}),
		failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "unmogrowp_attribution_failures_total", Help: "Recomputations that failed and are done again by the sweep."}, []string{"path"}),
		sweep: f.NewHistogram(prometheus.HistogramOpts{
			Name: "unmogrowp_attribution_sweep_seconds", Help: "Time of one sweep.", Buckets: prometheus.ExponentialBuckets(0.01, 3, 9)}),
		mismatched: f.NewGauge(prometheus.GaugeOpts{
			Name: "unmogrowp_attributions_mismatched", Help: "Attributions that the last sweep found not to match inputs stored more than a minute before, and those that the last page compared with the second implementation differed in. Must be 0."}),
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "unmogrowp_attribution_sweep_lag_seconds",
		Help: "Age of the sweep's watermark, also while a sweep runs: facts stored before it are attributed. 0 on nodes that do not sweep."}, m.lag)
	for _, path := range []string{"hint", "sweep", "settings"} {
		m.failures.WithLabelValues(path)
	}
	return m
}

// lag is the age of the watermark in seconds.
func (m *metrics) lag() float64 {
	mark := m.mark.Load()
	if mark == 0 {
		return 0
	}
	return max(0, time.Since(time.UnixMilli(mark)).Seconds())
}

// mismatch records the number of wrong rows that the running sweep has found.
func (m *metrics) mismatch(n int) {
	m.lastMismatched.Store(int64(n))
	m.mismatched.Set(float64(m.wrong()))
}

// differ records the number of differences that the last comparison has found.
func (m *metrics) differ(n int) {
	m.lastDifferent.Store(int64(n))
	m.mismatched.Set(float64(m.wrong()))
}

func (m *metrics) wrong() int64 { return m.lastMismatched.Load() + m.lastDifferent.Load() }
