// Package vitals measures what no other part of an aggregator meets on its way: how the two
// databases stand, and each agent by its last heartbeat, silent ones too. Everything is read a
// few times a minute and kept, so that a scrape costs no query.
package vitals

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
)

// maxAgents bounds the agents that have series of their own; the rest are in the counts by state.
const maxAgents = 1000

// Accounts is Postgres.
type Accounts interface {
	Vitals(context.Context) (accounts.Vitals, error)
	PoolStats() *pgxpool.Stat
}

// Warehouse is ClickHouse.
type Warehouse interface {
	Vitals(context.Context) (warehouse.Vitals, error)
}

// Options are what vitals are read from.
type Options struct {
	Accounts   Accounts
	Warehouse  Warehouse
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Every      time.Duration    // between two readings; 0 is 15 s
	Now        func() time.Time // nil is time.Now
}

// Monitor reads and shows vitals.
type Monitor struct {
	o          Options
	postgres   atomic.Pointer[accounts.Vitals] // nil before the first reading
	clickhouse atomic.Pointer[warehouse.Vitals]
	read       *prometheus.GaugeVec
}

// New registers the metrics.
func New(o Options) (*Monitor, error) {
	if o.Every <= 0 {
		o.Every = 15 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Monitor{o: o, read: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "unmogrowp_vitals_read_timestamp_seconds",
		Help: "When the state of a database was last read, Unix time. Figures that are derived from it are as old.",
	}, []string{"database"})}
	for _, database := range []string{"postgres", "clickhouse"} {
		m.read.WithLabelValues(database)
	}
	return m, errors.Join(o.Registerer.Register(m.read), o.Registerer.Register(collector{m}))
}

// Fullest is the disk of ClickHouse with the largest used part, as last read, and
// how large that part is; 0 before the first reading.
func (m *Monitor) Fullest() (disk string, used float64) {
	v := m.clickhouse.Load()
	if v == nil {
		return "", 0
	}
	for _, d := range v.Disks {
		if d.Total == 0 || d.Free > d.Total { // a disk that tells no size, as object storage
			continue
		}
		if part := 1 - float64(d.Free)/float64(d.Total); part > used {
			disk, used = d.Name, part
		}
	}
	return disk, used
}

// Run reads until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	ticker := time.NewTicker(m.o.Every)
	defer ticker.Stop()
	for {
		if err := m.Read(ctx); err != nil && ctx.Err() == nil {
			m.o.Logger.Warn("state of the databases not read", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Read reads both databases once. The figures of one that cannot be read stay as they were.
func (m *Monitor) Read(ctx context.Context) error {
	p, err := m.o.Accounts.Vitals(ctx)
	if err == nil {
		m.postgres.Store(&p)
		m.read.WithLabelValues("postgres").Set(seconds(m.o.Now()))
	}
	c, err2 := m.o.Warehouse.Vitals(ctx)
	if err2 == nil {
		m.clickhouse.Store(&c)
		m.read.WithLabelValues("clickhouse").Set(seconds(m.o.Now()))
	}
	return errors.Join(err, err2)
}

// seconds is a time as Prometheus has it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
