package vitals

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
)

// collector shows the last readings. Its series come and go with agents, disks and tables, which
// is why they are no gauges that are set.
type collector struct{ m *Monitor }

// Describe sends nothing: the series follow from the readings.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect shows the figures of the last readings.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	out := sender{ch}
	c.pool(out)
	if v := c.m.postgres.Load(); v != nil {
		out.postgres(v)
		out.agents(v.Agents)
	}
	if v := c.m.clickhouse.Load(); v != nil {
		out.clickhouse(v)
	}
}

// pool shows the pool of connections, which costs no query.
func (c collector) pool(out sender) {
	s := c.m.o.Accounts.PoolStats()
	connections := prometheus.NewDesc("unmogrowp_postgres_connections",
		"Connections of this node to Postgres, by state: used or idle.", []string{"state"}, nil)
	out.gauge(connections, float64(s.AcquiredConns()), "used")
	out.gauge(connections, float64(s.IdleConns()), "idle")
	out.gauge(prometheus.NewDesc("unmogrowp_postgres_connections_limit",
		"Connections to Postgres that this node opens at most.", nil, nil), float64(s.MaxConns()))
	out.counter(prometheus.NewDesc("unmogrowp_postgres_waits_total",
		"Times that work had to wait for a connection to Postgres.", nil, nil), float64(s.EmptyAcquireCount()))
	out.counter(prometheus.NewDesc("unmogrowp_postgres_wait_seconds_total",
		"Time that work has waited for connections to Postgres.", nil, nil), s.AcquireDuration().Seconds())
}

// sender sends metrics.
type sender struct{ ch chan<- prometheus.Metric }

func (s sender) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (s sender) counter(d *prometheus.Desc, value float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

func (s sender) postgres(v *accounts.Vitals) {
	s.gauge(migrationDesc(), float64(v.Migration), "postgres")
	s.gauge(prometheus.NewDesc("unmogrowp_audit_unsigned_seconds",
		"Age of the oldest entry of the audit log that no signature covers yet; 0 if all are signed.", nil, nil), v.Unsigned.Seconds())
	s.gauge(prometheus.NewDesc("unmogrowp_postgres_size_bytes", "Size of the Postgres database.", nil, nil), float64(v.SizeBytes))
	s.gauge(prometheus.NewDesc("unmogrowp_postgres_oldest_transaction_seconds",
		"Age of the oldest transaction that is open in the Postgres database, whoever began it.", nil, nil), v.OldestOpen.Seconds())
}

func migrationDesc() *prometheus.Desc {
	return prometheus.NewDesc("unmogrowp_schema_migration", "The newest migration that was applied, by database.", []string{"database"}, nil)
}

func (s sender) clickhouse(v *warehouse.Vitals) {
	s.gauge(migrationDesc(), float64(v.Migration), "clickhouse")
	free := prometheus.NewDesc("unmogrowp_clickhouse_disk_free_bytes", "Free space of a disk of ClickHouse.", []string{"disk"}, nil)
	total := prometheus.NewDesc("unmogrowp_clickhouse_disk_total_bytes", "Size of a disk of ClickHouse.", []string{"disk"}, nil)
	for _, d := range v.Disks {
		s.gauge(free, float64(d.Free), d.Name)
		s.gauge(total, float64(d.Total), d.Name)
	}
	bytes := prometheus.NewDesc("unmogrowp_clickhouse_table_bytes", "Bytes of a table on ClickHouse's disks.", []string{"table"}, nil)
	rows := prometheus.NewDesc("unmogrowp_clickhouse_table_rows",
		"Rows of a table in ClickHouse, before those of one key are merged.", []string{"table"}, nil)
	parts := prometheus.NewDesc("unmogrowp_clickhouse_table_parts", "Active parts of a table in ClickHouse.", []string{"table"}, nil)
	fullest := prometheus.NewDesc("unmogrowp_clickhouse_partition_parts",
		"Active parts of the partition of a table that has most: ClickHouse delays inserts from 1000 on and refuses them from 3000 on, unless told otherwise.", []string{"table"}, nil)
	detached := prometheus.NewDesc("unmogrowp_clickhouse_detached_parts",
		"Parts of a table that ClickHouse has set aside and does not read, by its reason.", []string{"table", "reason"}, nil)
	for _, t := range v.Tables {
		s.gauge(bytes, float64(t.Bytes), t.Name)
		s.gauge(rows, float64(t.Rows), t.Name)
		s.gauge(parts, float64(t.Parts), t.Name)
		s.gauge(fullest, float64(t.Fullest), t.Name)
	}
	for _, d := range v.Detached {
		s.gauge(detached, float64(d.Parts), d.Table, d.Reason)
	}
	s.gauge(prometheus.NewDesc("unmogrowp_clickhouse_missing_tables",
		"Tables that belong to the schema and are not there.", nil, nil), float64(len(v.Missing)))
}

// agents shows every agent by its last heartbeat. All aggregators show the same.
func (s sender) agents(all []agents.Agent) {
	states := map[string]int{"enrolled": 0, "running": 0, "draining": 0, "full": 0, "silent": 0, "revoked": 0}
	shown := 0
	for i := range all {
		a := &all[i]
		states[a.State]++
		if a.State == "revoked" || a.LastSeen == nil || shown == maxAgents {
			continue
		}
		shown++
		s.agent(a)
	}
	count := prometheus.NewDesc("unmogrowp_fleet_agents",
		"Agents by state: enrolled (never heard from), running, draining, full, silent, revoked.", []string{"state"}, nil)
	for state, n := range states {
		s.gauge(count, float64(n), state)
	}
}

func (s sender) agent(a *agents.Agent) {
	labels := []string{"agent", "id", "region"} // names may repeat
	show := func(name, help string, labels []string, value float64) {
		s.gauge(prometheus.NewDesc(name, help, labels, nil), value, a.Name, a.ID, a.Region)
	}
	oldest := 0.0
	if a.OldestEvent != nil {
		oldest = seconds(*a.OldestEvent)
	}
	expires := 0.0
	if a.CertificateExpires != nil {
		expires = seconds(*a.CertificateExpires)
	}
	show("unmogrowp_fleet_last_heartbeat_timestamp_seconds", "When an agent was last heard from, Unix time.", labels, seconds(*a.LastSeen))
	show("unmogrowp_fleet_queued_events", "Events that wait on an agent's disk.", labels, float64(a.QueuedEvents))
	show("unmogrowp_fleet_oldest_event_timestamp_seconds",
		"When the oldest event that waits on an agent's disk was received, Unix time; 0 if none waits.", labels, oldest)
	show("unmogrowp_fleet_disk_used_bytes", "Disk space of an agent's buffer.", labels, float64(a.DiskUsed))
	show("unmogrowp_fleet_disk_quota_bytes", "Disk space that an agent's buffer may take.", labels, float64(a.DiskQuota))
	show("unmogrowp_fleet_certificate_expires_timestamp_seconds", "When an agent's certificate ends, Unix time.", labels, expires)
	show("unmogrowp_fleet_clock_skew_seconds",
		"An agent's clock minus the database's.", labels, (time.Duration(a.ClockSkew) * time.Millisecond).Seconds())
	show("unmogrowp_fleet_settings_generation", "The generation of the settings that an agent has.", labels, float64(a.SettingsGeneration))
	total := func(name, help string, labels []string, value int64) {
		s.counter(prometheus.NewDesc(name, help, labels, nil), float64(value), a.Name, a.ID, a.Region)
	}
	total("unmogrowp_fleet_accepted_events_total", "Events that an agent has accepted since its start.", labels, a.Accepted)
	total("unmogrowp_fleet_rejected_events_total", "Events that an agent has rejected since its start.", labels, a.Rejected)
	total("unmogrowp_fleet_lost_blocks_total", "Blocks that an agent found missing or damaged since its start.", labels, a.Lost)
	s.gauge(prometheus.NewDesc("unmogrowp_fleet_agent_info",
		"The version of an agent and the aggregator that heard from it last; the value is always 1.",
		[]string{"agent", "id", "region", "version", "node"}, nil), 1, a.Name, a.ID, a.Region, a.Version, a.Node)
}
