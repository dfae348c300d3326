package reconcile

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of one Reconciler.
type metrics struct {
	compared prometheus.Counter
	found    *prometheus.CounterVec
	failures prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	m := &metrics{
		compared: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_reconcile_compared_total", Help: "Stored attributions compared with the second implementation."}),
		found: f.NewCounterVec(prometheus.CounterOpts{
			Name: "unmogrowp_reconcile_found_total", Help: "Attributions that differed for longer than it takes to attribute, by what became of them: repaired, or disputed between the implementations, or restated because events state other facts under the settings of their time. Must be 0; skipped ones have too many keys."},
			[]string{"result"}),
		failures: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_reconcile_failures_total", Help: "Comparisons that failed and are done again."}),
	}
	for _, result := range []string{"repaired", "disputed", "skipped", "restated"} {
		m.found.WithLabelValues(result)
	}
	return m
}

func (m *metrics) count(o Outcome) {
	m.compared.Add(float64(o.Compared))
	m.found.WithLabelValues("repaired").Add(float64(o.Repaired))
	m.found.WithLabelValues("disputed").Add(float64(o.Disputed))
	m.found.WithLabelValues("skipped").Add(float64(o.Skipped))
}
