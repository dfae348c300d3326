package deliveries

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	decided prometheus.Counter
	tries   *prometheus.CounterVec
	latency prometheus.Histogram
	lag     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		decided: prometheus.NewCounter(prometheus.CounterOpts{Name: "unmogrowp_postbacks_decided_total", Help: "Deliveries that this node decided to send."}),
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unmogrowp_postbacks_tries_total",
			Help: "Tries of deliveries by this node, by the state after them: due is tried again, dead was refused or took longer than a day."}, []string{"state"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "unmogrowp_postbacks_request_seconds", Help: "Time of a request to a receiver.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{Name: "unmogrowp_postbacks_lag_seconds",
			Help: "Time since up to which attributed conversions are decided, on the node that decides."}),
	}
	for _, state := range []string{StateDue, StateDelivered, StateDead, StateWithdrawn} {
		m.tries.WithLabelValues(state)
	}
	r.MustRegister(m.decided, m.tries, m.latency, m.lag)
	return m
}
