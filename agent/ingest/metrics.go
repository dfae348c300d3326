package ingest

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/agent/event"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// metrics are the figures of the door for operators. Every label value is one
// of a fixed set, and resolved once.
type metrics struct {
	acceptedCount, rejectedCount atomic.Int64

	accepted, rejected, refused, lost prometheus.Counter
	reasons                           [event.ReasonEnd]prometheus.Counter
	warnings                          []prometheus.Counter // by bit
	wireBytes, bodyBytes              prometheus.Counter
	durations                         [outcomeEnd]prometheus.Observer
}

// outcome is the kind of answer that a request got.
type outcome int

const (
	outcomeOK outcome = iota
	outcomeRefused
	outcomeBusy
	outcomeUnavailable
	outcomeEnd
)

func (o outcome) String() string {
	return [...]string{"ok", "refused", "busy", "unavailable"}[o]
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unmogrowp_agent_events_total",
		Help: "Events by what became of them: accepted (durable), rejected (faulty), refused (told to send again), lost (a click that was not stored).",
	}, []string{"outcome"})
	rejections := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unmogrowp_agent_events_rejected_total", Help: "Rejected events by reason.",
	}, []string{"reason"})
	warnings := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unmogrowp_agent_event_warnings_total", Help: "Accepted events of which something was not stored as it was sent, by what.",
	}, []string{"code"})
	received := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unmogrowp_agent_received_bytes_total", Help: "Bytes of request bodies, as sent (wire) and uncompressed (body).",
	}, []string{"form"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "unmogrowp_agent_request_duration_seconds", Help: "Time from a request's headers to its answer.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .015, .025, .05, .1, .25, 1, 5, 30},
	}, []string{"outcome"})
	for _, c := range [...]prometheus.Collector{events, rejections, warnings, received, durations} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	m := &metrics{
		accepted: events.WithLabelValues("accepted"), rejected: events.WithLabelValues("rejected"),
		refused: events.WithLabelValues("refused"), lost: events.WithLabelValues("lost"),
		wireBytes: received.WithLabelValues("wire"), bodyBytes: received.WithLabelValues("body"),
	}
	for r := event.Accepted + 1; r < event.ReasonEnd; r++ {
		m.reasons[r] = rejections.WithLabelValues(r.Explain().Code)
	}
	for _, code := range protocol.WarningCodes() {
		m.warnings = append(m.warnings, warnings.WithLabelValues(code))
	}
	for o := range outcomeEnd {
		m.durations[o] = durations.WithLabelValues(o.String())
	}
	return m, nil
}

func (m *metrics) accept(n int) {
	m.acceptedCount.Add(int64(n))
	m.accepted.Add(float64(n))
}

func (m *metrics) reject(r event.Reason) {
	m.rejectedCount.Add(1)
	m.rejected.Inc()
	m.reasons[r].Inc()
}

func (m *metrics) warn(all protocol.Warnings) {
	for i, c := range m.warnings {
		if all&(1<<i) != 0 {
			c.Inc()
		}
	}
}

func (m *metrics) refuse(n int) { m.refused.Add(float64(n)) }

func (m *metrics) request(p *problem, took time.Duration) {
	o := outcomeOK
	switch {
	case p == nil:
	case p.status == 429:
		o = outcomeBusy
	case p.status >= 500:
		o = outcomeUnavailable
	default:
		o = outcomeRefused
	}
	m.durations[o].Observe(took.Seconds())
}
