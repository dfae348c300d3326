package uplink

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	shipped, shippedBytes, retries, quarantined, foreign, ended, renewals prometheus.Counter
	all                                                                   []prometheus.Collector
}

func (m *metrics) init(u *Uplink) {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	m.shipped = counter("unmogrowp_agent_uplink_blocks_total", "Blocks that an aggregator has stored.")
	m.shippedBytes = counter("unmogrowp_agent_uplink_bytes_total", "Bytes of blocks that an aggregator has stored.")
	m.retries = counter("unmogrowp_agent_uplink_retries_total", "Blocks that an aggregator asked to send again.")
	m.quarantined = counter("unmogrowp_agent_uplink_quarantined_events_total", "Events that an aggregator put into quarantine.")
	m.foreign = counter("unmogrowp_agent_uplink_foreign_acks_total", "Acknowledgements of blocks that were not sent; ignored.")
	m.ended = counter("unmogrowp_agent_uplink_sessions_ended_total", "Sessions and attempts that ended.")
	m.renewals = counter("unmogrowp_agent_certificate_renewals_total", "Certificates renewed.")
	gauge := func(name, help string, value func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("unmogrowp_agent_uplink_connected", "1 while a session with an aggregator stands.", func() float64 {
		if u.Status().Connected {
			return 1
		}
		return 0
	})
	gauge("unmogrowp_agent_uplink_refused_as_copy", "1 while aggregators refuse this agent's buffer as a copy; nothing is taken then.", func() float64 {
		if u.refusedAsClone.Load() {
			return 1
		}
		return 0
	})
	gauge("unmogrowp_agent_certificate_half_life_seconds",
		"When half of the certificate's life is over, Unix time: it should have been renewed by then.", func() float64 {
			return float64(u.opts.Identity.HalfLife().Unix())
		})
	gauge("unmogrowp_agent_certificate_expires_seconds", "When the agent's certificate ends, Unix time.", func() float64 {
		return float64(u.opts.Identity.Expires().Unix())
	})
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all {
		r.Unregister(c)
	}
}
