package warehouse

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of one warehouse.
type metrics struct {
	rows     *prometheus.CounterVec
	inserts  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	rejected prometheus.Counter
}

func newMetrics(r prometheus.Registerer, open func() int) *metrics {
	f := promauto.With(r)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "unmogrowp_warehouse_connections", Help: "Open connections to ClickHouse. A number that only grows is a leak."},
		func() float64 { return float64(open()) })
	m := &metrics{
		rows: f.NewCounterVec(prometheus.CounterOpts{
			Name: "unmogrowp_warehouse_rows_total", Help: "Rows stored, by table; rows sent again count again."}, []string{"table"}),
		inserts: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "unmogrowp_warehouse_insert_seconds", Help: "Time of one insert until its rows were durable, by table.",
			Buckets: prometheus.ExponentialBuckets(0.004, 2.5, 10)}, []string{"table"}),
		failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "unmogrowp_warehouse_insert_failures_total", Help: "Inserts of which the outcome is unknown or that failed, by table."}, []string{"table"}),
		rejected: f.NewCounter(prometheus.CounterOpts{
			Name: "unmogrowp_warehouse_rejected_total", Help: "Events put in quarantine because they or their facts can never be stored."}),
	}
	for _, table := range tables() { // a counter that begins to exist with a failure hides it from increase()
		m.failures.WithLabelValues(table)
	}
	return m
}
