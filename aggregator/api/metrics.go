package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	logins   *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unmogrowp_api_requests_total", Help: "Requests of the console API, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "unmogrowp_api_request_seconds", Help: "Time to answer a request of the console API, by route.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"route"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unmogrowp_api_refusals_total", Help: "Requests refused by a check, by reason, and whether the audit log has them.",
		}, []string{"reason", "audited"}),
	}
	m.logins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unmogrowp_api_provider_logins_total", Help: "Logins at the OpenID Connect provider, by outcome: begun, totp, success, or the reason of a refusal.",
	}, []string{"outcome"})
	registerer.MustRegister(m.requests, m.seconds, m.refused, m.logins)
	return m
}

func (m *metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// meters are the metrics of a route's successes, found once.
type meters struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

func (m *metrics) of(route string) meters {
	return meters{requests: m.requests.WithLabelValues(route, strconv.Itoa(http.StatusOK)), seconds: m.seconds.WithLabelValues(route)}
}

func (m *meters) answered(took time.Duration) {
	m.requests.Inc()
	m.seconds.Observe(took.Seconds())
}

// provider counts a login at the provider.
func (m *metrics) provider(outcome string) { m.logins.WithLabelValues(outcome).Inc() }
