package intake

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/protocol"
)

type metrics struct {
	blocks  *prometheus.CounterVec
	events  *prometheus.CounterVec
	inserts *prometheus.CounterVec
	rows    prometheus.Histogram
	seconds prometheus.Histogram
}

// newMetrics registers the metrics with every value of their labels: a counter that begins to exist
// with the first failure hides that failure from increase().
func newMetrics(reg prometheus.Registerer, sessions func() int) metrics {
	m := metrics{
		blocks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unmogrowp_intake_blocks_total",
			Help: "Blocks from agents by answer."}, []string{"status"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unmogrowp_intake_events_total",
			Help: "Events in blocks from agents by answer, repeats included."}, []string{"status"}),
		inserts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unmogrowp_intake_inserts_total",
			Help: "Coalesced inserts by outcome."}, []string{"outcome"}),
		rows: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "unmogrowp_intake_insert_rows",
			Help: "Rows in a coalesced insert.", Buckets: prometheus.ExponentialBuckets(1, 4, 9)}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "unmogrowp_intake_insert_seconds",
			Help: "Time to store a coalesced insert.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 13)}),
	}
	reg.MustRegister(m.blocks, m.events, m.inserts, m.rows, m.seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "unmogrowp_intake_sessions",
			Help: "Agents connected to this node."}, func() float64 { return float64(sessions()) }))
	for _, status := range []string{"stored", "retry", "quarantined", "draining"} {
		m.blocks.WithLabelValues(status)
		m.events.WithLabelValues(status)
	}
	for _, outcome := range []string{"stored", "failed"} {
		m.inserts.WithLabelValues(outcome)
	}
	return m
}

func (m metrics) answer(s protocol.Status, events int) {
	name := "retry"
	switch s {
	case protocol.StatusStored:
		name = "stored"
	case protocol.StatusQuarantined:
		name = "quarantined"
	case protocol.StatusDraining:
		name = "draining"
	}
	m.blocks.WithLabelValues(name).Inc()
	m.events.WithLabelValues(name).Add(float64(events))
}

func (m metrics) inserted(rows int, took time.Duration, err error) {
	outcome := "stored"
	if err != nil {
		outcome = "failed"
	}
	m.inserts.WithLabelValues(outcome).Inc()
	m.rows.Observe(float64(rows))
	m.seconds.Observe(took.Seconds())
}
