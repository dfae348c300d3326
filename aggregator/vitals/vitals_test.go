package vitals

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	store "github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
)

type postgres struct {
	*pgxpool.Pool
	vitals accounts.Vitals
	err    error
}

func (p *postgres) Vitals(context.Context) (accounts.Vitals, error) { return p.vitals, p.err }
func (p *postgres) PoolStats() *pgxpool.Stat                        { return p.Stat() }

type clickhouse struct {
	vitals warehouse.Vitals
	err    error
}

func (c *clickhouse) Vitals(context.Context) (warehouse.Vitals, error) { return c.vitals, c.err }

// TestAnAgentThatFallsSilentKeepsItsSeries reads two agents of one name, then fails to read: the
// figures stay, with their age.
func TestAnAgentThatFallsSilentKeepsItsSeries(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none") // never connects: only its figures are read
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	seen := time.Unix(1_800_000_000, 0)
	p := &postgres{Pool: pool, vitals: accounts.Vitals{Vitals: store.Vitals{Migration: 14, Unsigned: 90 * time.Second}, Agents: []agents.Agent{
		{ID: "1", Name: "edge", Region: "eu", State: "silent", QueuedEvents: 7, Lost: 1, LastSeen: &seen, ClockSkew: -1500},
		{ID: "2", Name: "edge", Region: "eu", State: "running", LastSeen: &seen, OldestEvent: &seen},
		{ID: "3", Name: "new", State: "enrolled"},
		{ID: "4", Name: "old", State: "revoked", LastSeen: &seen},
	}}}
	c := &clickhouse{vitals: warehouse.Vitals{Disks: []warehouse.Disk{{Name: "default", Free: 10, Total: 100}},
		Tables: []warehouse.Table{{Name: "events", Bytes: 5, Rows: 4, Parts: 3, Fullest: 2}}, Missing: []string{"touches"},
		Detached: []warehouse.Detached{{Table: "events", Reason: "broken-on-start", Parts: 1}}, Migration: 17}}
	registry := prometheus.NewPedanticRegistry()
	now := seen
	m, err := New(Options{Accounts: p, Warehouse: c, Registerer: registry, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.err, c.err, now = errors.New("away"), errors.New("away"), seen.Add(time.Minute)
	if err := m.Read(t.Context()); err == nil {
		t.Error("two databases are away and nothing is said")
	}
	const want = `
unmogrowp_fleet_agents{state="draining"} 0
unmogrowp_fleet_agents{state="enrolled"} 1
unmogrowp_fleet_agents{state="full"} 0
unmogrowp_fleet_agents{state="revoked"} 1
unmogrowp_fleet_agents{state="running"} 1
unmogrowp_fleet_agents{state="silent"} 1
unmogrowp_fleet_queued_events{agent="edge",id="1",region="eu"} 7
unmogrowp_fleet_queued_events{agent="edge",id="2",region="eu"} 0
unmogrowp_schema_migration{database="clickhouse"} 17
unmogrowp_schema_migration{database="postgres"} 14
unmogrowp_vitals_read_timestamp_seconds{database="clickhouse"} 1.8e+09
unmogrowp_vitals_read_timestamp_seconds{database="postgres"} 1.8e+09
`
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(strings.TrimSpace(want)) {
		if !strings.Contains(answer.Body.String(), strings.TrimSpace(line)+"\n") {
			t.Errorf("without %s", line)
		}
	}
	if t.Failed() {
		t.Log(answer.Body.String())
	}
}
