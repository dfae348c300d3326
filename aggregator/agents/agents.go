// Package agents is the agents that were enrolled: the tokens that they join with, their certificates,
// the buffers that are theirs, and their last heartbeats.
package agents

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxAgents bounds the agents that are not revoked.
const maxAgents = 10_000

// ErrClone says that a buffer belongs to another agent, or is a copy.
var ErrClone = errors.New("this buffer is not taken")

// Agents are the agents of an installation.
type Agents struct{ pool *postgres.Pool }

// New gives the agents of a database.
func New(pool *postgres.Pool) *Agents { return &Agents{pool: pool} }

// Agent is an enrolled agent with its last heartbeat.
type Agent struct {
	ID                 string     `json:"id"`
	Name               string     `json:"name"`
	Region             string     `json:"region"`
	Zone               string     `json:"zone"`
	URL                string     `json:"url"`   // where SDKs reach it, empty: not listed by GET /v1/edges
	State              string     `json:"state"` // "enrolled", "running", "draining", "full", "silent", "revoked"
	Version            string     `json:"version"`
	Node               string     `json:"node"` // aggregator that heard from it last
	QueuedEvents       int64      `json:"queued_events"`
	OldestEvent        *time.Time `json:"oldest_event"`
	DiskUsed           int64      `json:"disk_used"`
	DiskQuota          int64      `json:"disk_quota"`
	Accepted           int64      `json:"accepted"`
	Rejected           int64      `json:"rejected"`
	Lost               int64      `json:"lost"`
	SettingsGeneration uint64     `json:"settings_generation"`
	ClockSkew          int64      `json:"clock_skew_ms"` // the agent's clock minus ours
	CertificateExpires *time.Time `json:"certificate_expires"`
	LastSeen           *time.Time `json:"last_seen"`
	Created            time.Time  `json:"created_at"`
}

// Enrollment is the right of one agent to join once. With an Agent, that one gets a new
// certificate and keeps its id, and with it its buffer; the others are then its own.
type Enrollment struct {
	Name, Region, Zone string
	Agent              string
	SecretHash         []byte // SHA-256 of the token's secret
	Expires            time.Time
}

func (e *Enrollment) validate() error {
	valid := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	if !valid.MatchString(e.Name) {
		return postgres.Invalid("name %.70q must be 1 to 63 letters, digits, '.', '-' or '_'", e.Name)
	}
	if !valid.MatchString(e.Region) {
		return postgres.Invalid("region %.70q must be 1 to 63 letters, digits, '.', '-' or '_'", e.Region)
	}
	if e.Zone != "" && !valid.MatchString(e.Zone) {
		return postgres.Invalid("zone %.70q must be up to 63 letters, digits, '.', '-' or '_'", e.Zone)
	}
	return nil
}

// CreateEnrollment lets an agent join until the enrolment expires, or one that is there
// prove itself anew.
func (a *Agents) CreateEnrollment(ctx context.Context, e Enrollment) error {
	return a.pool.Change(ctx, "create enrolment", func(tx pgx.Tx) error {
		if err := e.complete(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM enrollments WHERE expires_at < now() - interval '30 days'`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO enrollments (secret_hash, name, region, zone, expires_at, for_agent) VALUES ($1, $2, $3, $4, $5, nullif($6, ''))`,
			e.SecretHash, e.Name, e.Region, e.Zone, e.Expires, e.Agent)
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "enrollment.create", Target: e.Name,
			Detail: map[string]any{"agent": e.Agent, "region": e.Region, "zone": e.Zone, "expires": e.Expires.UTC()}})
	})
}

// complete checks an enrolment, and gives one for an existing agent that agent's name and place.
func (e *Enrollment) complete(ctx context.Context, tx pgx.Tx) error {
	if e.Agent != "" {
		err := tx.QueryRow(ctx, `SELECT name, region, zone FROM agents WHERE id = $1 AND revoked_at IS NULL`, e.Agent).Scan(&e.Name, &e.Region, &e.Zone)
		if errors.Is(err, pgx.ErrNoRows) {
			return postgres.Invalid("there is no agent %.70q, or it is revoked", e.Agent)
		}
		return err
	}
	if err := e.validate(); err != nil {
		return err
	}
	var count int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM agents WHERE revoked_at IS NULL`).Scan(&count); err != nil {
		return err
	}
	if count >= maxAgents {
		return postgres.Invalid("there are %d agents, the limit is %d: revoke one first", count, maxAgents)
	}
	return nil
}

// ConsumeEnrollment uses an enrolment up and returns its agent, a new one as a rule. Of any number of
// callers at once one succeeds. ErrNotFound means unknown, used or expired, and not which.
func (a *Agents) ConsumeEnrollment(ctx context.Context, secretHash []byte) (Agent, error) {
	id, err := postgres.NewID()
	if err != nil {
		return Agent{}, err
	}
	agent := Agent{State: "enrolled"}
	err = a.pool.Change(ctx, "use enrolment", func(tx pgx.Tx) error {
		agent.ID = id
		var existing *string
		err := tx.QueryRow(ctx, `UPDATE enrollments SET used_at = now() WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > now()
			RETURNING name, region, zone, for_agent`, secretHash).Scan(&agent.Name, &agent.Region, &agent.Zone, &existing)
		if err != nil {
			return err
		}
		if existing != nil {
			agent.ID = *existing
			err = tx.QueryRow(ctx, `SELECT created_at FROM agents WHERE id = $1 AND revoked_at IS NULL`, agent.ID).Scan(&agent.Created)
		} else {
			err = tx.QueryRow(ctx, `INSERT INTO agents (id, name, region, zone) VALUES ($1, $2, $3, $4) RETURNING created_at`,
				agent.ID, agent.Name, agent.Region, agent.Zone).Scan(&agent.Created)
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE enrollments SET agent = $2 WHERE secret_hash = $1`, secretHash, agent.ID); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "agent.enroll", Target: agent.ID,
			Detail: map[string]any{"name": agent.Name, "region": agent.Region, "zone": agent.Zone, "again": existing != nil}})
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return Agent{}, errors.Join(err, a.pool.Record(ctx, "agent.enroll", postgres.Denied, "", "", nil))
	}
	agent.Created = agent.Created.UTC()
	return agent, err
}

// RecordCertificate notes a certificate before it is handed out. A revoked agent gets ErrNotFound.
func (a *Agents) RecordCertificate(ctx context.Context, agentID, serial string, expires time.Time) error {
	return a.pool.Change(ctx, "record certificate", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE agents SET certificate_serial = $2, certificate_expires = $3 WHERE id = $1 AND revoked_at IS NULL`,
			agentID, serial, expires)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		if _, err := tx.Exec(ctx, `INSERT INTO agent_certificates (serial, agent, expires_at) VALUES ($1, $2, $3)`, serial, agentID, expires); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "agent.certificate", Target: agentID, Detail: map[string]any{"serial": serial, "expires": expires.UTC()}})
	})
}

// RevokeAgent shuts an agent out for ever. Its sessions end as soon as nodes hear of it; see Watch.
func (a *Agents) RevokeAgent(ctx context.Context, id string) error {
	return a.pool.Change(ctx, "revoke agent", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE agents SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL`, id)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "agent.revoke", Target: id})
	})
}

// SetAgentURL says where SDKs reach an agent, which makes it one of the edges that agents list; an empty
// address takes it off the list. It must be https, but on the loopback interface.
func (a *Agents) SetAgentURL(ctx context.Context, id, address string) error {
	if err := validEdge(address); err != nil {
		return err
	}
	return a.pool.Change(ctx, "set address of agent", func(tx pgx.Tx) error {
		var before string
		err := tx.QueryRow(ctx, `SELECT url FROM agents WHERE id = $1 AND revoked_at IS NULL FOR UPDATE`, id).Scan(&before)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE agents SET url = $2 WHERE id = $1`, id, address); err != nil {
			return err
		}
		if err := postgres.Grow(ctx, tx); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "agent.url", Target: id, Detail: postgres.Diff{Before: map[string]string{"url": before}, After: map[string]string{"url": address}}})
	})
}

func validEdge(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || len(address) > 300 || u.Host == "" || u.Scheme+"://"+u.Host != address {
		return postgres.Invalid("url %.60q is not like https://eu.example.com", address)
	}
	loopback := u.Hostname() == "localhost"
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		loopback = ip.IsLoopback()
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return postgres.Invalid("url %.60q must be https", address)
	}
	return nil
}

// RevokedAgents lists the ids of all agents whose certificates may not be accepted. It only grows.
func (a *Agents) RevokedAgents(ctx context.Context) ([]string, error) {
	rows, err := a.pool.Query(ctx, `SELECT id FROM agents WHERE revoked_at IS NOT NULL ORDER BY id`)
	if err != nil {
		return nil, postgres.Wrap("list revoked agents", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, postgres.Wrap("list revoked agents", err)
}

// RecordHeartbeat keeps an agent's health for the console.
func (a *Agents) RecordHeartbeat(ctx context.Context, agentID, node, software string, hb protocol.Heartbeat) error {
	var oldest *time.Time
	if hb.OldestEvent > 0 {
		t := time.UnixMilli(hb.OldestEvent).UTC()
		oldest = &t
	}
	done, err := a.pool.Exec(ctx, `UPDATE agents SET node = $2, software = $3, state = $4, queued_events = $5, queued_blocks = $6, oldest_event = $7,
		disk_used = $8, disk_quota = $9, accepted = $10, rejected = $11, lost = $12, settings_generation = $13,
		clock_skew_ms = CASE WHEN $14::bigint = 0 THEN 0 ELSE $14::bigint - (extract(epoch FROM clock_timestamp()) * 1000)::bigint END,
		last_seen = now() WHERE id = $1`,
		agentID, postgres.Clip(node), postgres.Clip(software), postgres.Clip(hb.State), hb.QueuedEvents, hb.QueuedBlocks, oldest, hb.DiskUsed, hb.DiskQuota,
		hb.Accepted, hb.Rejected, hb.Lost, int64(hb.Generation), hb.Clock)
	if err == nil && done.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return errors.Join(postgres.Wrap("record heartbeat", err), a.replayProgress(ctx, agentID, hb.ReplayID, hb.ReplayLeft))
}

// silentAfter is how many missed heartbeats make an agent silent.
const silentAfter = 4

// Agents lists all agents, revoked ones too, by name.
func (a *Agents) List(ctx context.Context) ([]Agent, error) {
	rows, err := a.pool.Query(ctx, `SELECT id, name, region, zone, url,
			CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
				WHEN last_seen IS NULL THEN 'enrolled'
				WHEN last_seen < now() - $1::bigint * interval '1 millisecond' THEN 'silent'
				WHEN state = '' THEN 'running'
				ELSE state END,
			software, node, queued_events, oldest_event, disk_used, disk_quota, accepted, rejected, lost,
			settings_generation, clock_skew_ms, certificate_expires, last_seen, created_at
		FROM agents ORDER BY name, id`, (silentAfter * protocol.HeartbeatEvery).Milliseconds())
	if err != nil {
		return nil, postgres.Wrap("list agents", err)
	}
	agents, err := pgx.CollectRows(rows, scanAgent)
	return agents, postgres.Wrap("list agents", err)
}

func scanAgent(row pgx.CollectableRow) (g Agent, err error) {
	err = row.Scan(&g.ID, &g.Name, &g.Region, &g.Zone, &g.URL, &g.State, &g.Version, &g.Node, &g.QueuedEvents, &g.OldestEvent, &g.DiskUsed,
		&g.DiskQuota, &g.Accepted, &g.Rejected, &g.Lost, &g.SettingsGeneration, &g.ClockSkew, &g.CertificateExpires, &g.LastSeen, &g.Created)
	g.Created = g.Created.UTC()
	return g, err
}
