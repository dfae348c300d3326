package buffer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Stats is the queue's health.
type Stats struct {
	Epoch        uint64 `json:"epoch"`
	FirstSeq     uint64 `json:"first_seq"` // lowest sequence that is not acknowledged
	NextSeq      uint64 `json:"next_seq"`
	QueuedBlocks int64  `json:"queued_blocks"`
	QueuedEvents int64  `json:"queued_events"`
	QueuedBytes  int64  `json:"queued_bytes"`
	OldestEvent  int64  `json:"oldest_event_ms"` // when the oldest waiting event was received; 0: none waits
	KeptBlocks   int64  `json:"kept_blocks"`     // acknowledged, kept for a replay
	KeptBytes    int64  `json:"kept_bytes"`
	KeptSince    int64  `json:"kept_since_ms"` // when the oldest of them was acknowledged; 0: none is kept
	DiskUsed     int64  `json:"disk_used_bytes"`
	DiskQuota    int64  `json:"disk_quota_bytes"`
	DiskFree     int64  `json:"disk_free_bytes"`
	Lost         int64  `json:"lost_blocks"`  // found missing or damaged since the start
	DeadLetters  int64  `json:"dead_letters"` // blocks or parts of blocks that were set aside
	DeadEvents   int64  `json:"dead_events"`
	AsideCount   int64  `json:"set_aside"` // damaged segments and files that only an operator deletes
	AsideBytes   int64  `json:"set_aside_bytes"`
	Full         bool   `json:"full"` // refuses events, or is about to
}

// Stats reads the disk a little; every second is often enough.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	s := &q.state
	kept := s.kept.sum()
	out := Stats{Epoch: q.epoch, FirstSeq: s.mark.low + 1, NextSeq: s.mark.tail + 1,
		QueuedBlocks: s.liveBlocks, QueuedEvents: s.liveEvents, QueuedBytes: s.liveBytes,
		KeptBlocks: kept.blocks, KeptBytes: kept.bytes, DiskQuota: q.opts.QuotaBytes, Lost: s.lostBlocks}
	out.KeptSince = s.kept.oldest()
	closed := q.closed
	q.mu.Unlock()
	out.DeadLetters, out.DeadEvents = q.dead.totals()
	out.AsideCount, out.AsideBytes = q.store.asideTotals()
	if closed {
		return out
	}
	if out.QueuedBlocks > 0 {
		out.OldestEvent = q.oldest.of(out.FirstSeq, q.readOldest)
	}
	out.DiskUsed = q.store.used()
	out.DiskFree, _ = q.space.free(0)
	out.Full = out.QueuedBytes >= out.DiskQuota/100*95 || out.DiskFree < q.opts.MinFree
	return out
}

type metrics struct {
	events, blocks, rawBytes, blockBytes, refused, lost, deadDropped prometheus.Counter
	commit                                                           prometheus.Histogram
	gauges                                                           []prometheus.Collector
}

func (m *metrics) init(q *Queue) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m.events = counter("unmogrowp_agent_buffer_events_total", "Events made durable.")
	m.blocks = counter("unmogrowp_agent_buffer_blocks_total", "Blocks made durable: synced commits.")
	m.rawBytes = counter("unmogrowp_agent_buffer_raw_bytes_total", "Bytes of events before compression.")
	m.blockBytes = counter("unmogrowp_agent_buffer_block_bytes_total", "Bytes of blocks written.")
	m.refused = counter("unmogrowp_agent_buffer_refused_events_total", "Events refused because the quota was reached or the disk short.")
	m.lost = counter("unmogrowp_agent_lost_records_total", "Blocks found missing or damaged on disk.")
	m.deadDropped = counter("unmogrowp_agent_dead_letters_dropped_total", "Dead letters that were not kept, for want of space.")
	m.commit = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "unmogrowp_agent_buffer_commit_seconds",
		Help: "Time of one synced commit.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15)})
	gauge := func(name, help string, value func(Stats) int64) {
		m.gauges = append(m.gauges, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(value(q.Stats())) }))
	}
	gauge("unmogrowp_agent_queued_events", "Events that no aggregator has acknowledged.", func(s Stats) int64 { return s.QueuedEvents })
	gauge("unmogrowp_agent_queued_blocks", "Blocks that no aggregator has acknowledged.", func(s Stats) int64 { return s.QueuedBlocks })
	gauge("unmogrowp_agent_queued_bytes", "Bytes of blocks that no aggregator has acknowledged.", func(s Stats) int64 { return s.QueuedBytes })
	gauge("unmogrowp_agent_kept_since_timestamp_seconds",
		"When the oldest block that is kept for a replay was acknowledged, Unix time; 0 if none is kept.", func(s Stats) int64 { return s.KeptSince / 1000 })
	gauge("unmogrowp_agent_kept_bytes", "Bytes of acknowledged blocks that are kept for a replay.", func(s Stats) int64 { return s.KeptBytes })
	gauge("unmogrowp_agent_dead_letters", "Blocks or parts of blocks that were set aside.", func(s Stats) int64 { return s.DeadLetters })
	gauge("unmogrowp_agent_set_aside",
		"Damaged segments and files of the buffer that only an operator deletes.", func(s Stats) int64 { return s.AsideCount })
	gauge("unmogrowp_agent_set_aside_bytes",
		"Disk space of damaged segments and files that only an operator deletes.", func(s Stats) int64 { return s.AsideBytes })
	gauge("unmogrowp_agent_oldest_event_timestamp_seconds",
		"When the oldest event that no aggregator has acknowledged was received, Unix time; 0 if none waits.", func(s Stats) int64 { return s.OldestEvent / 1000 })
	gauge("unmogrowp_agent_dead_events",
		"Events in blocks or parts of blocks that were set aside.", func(s Stats) int64 { return s.DeadEvents })
	gauge("unmogrowp_agent_buffer_quota_bytes", "Bytes of blocks that may wait for an aggregator.", func(s Stats) int64 { return s.DiskQuota })
	gauge("unmogrowp_agent_disk_free_bytes", "Free space of the disk that the buffer lies on.", func(s Stats) int64 { return s.DiskFree })
	gauge("unmogrowp_agent_buffer_full", "1 while the buffer refuses events, or is about to.", func(s Stats) int64 {
		if s.Full {
			return 1
		}
		return 0
	})
	gauge("unmogrowp_agent_buffer_disk_bytes", "Disk space that the buffer occupies.", func(s Stats) int64 { return s.DiskUsed })
}

func (m *metrics) collectors() []prometheus.Collector {
	return append([]prometheus.Collector{m.events, m.blocks, m.rawBytes, m.blockBytes, m.refused, m.lost, m.deadDropped, m.commit}, m.gauges...)
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range m.collectors() {
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
	for _, c := range m.collectors() {
		r.Unregister(c)
	}
}

func (m *metrics) committed(b *protocol.Block, bytes int, took time.Duration) {
	m.blocks.Inc()
	m.events.Add(float64(b.Count))
	m.rawBytes.Add(float64(b.RawLen))
	m.blockBytes.Add(float64(bytes))
	m.commit.Observe(took.Seconds())
}
