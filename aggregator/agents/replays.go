package agents

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Replay asks all agents to send again all blocks acknowledged since a time.
type Replay struct {
	ID      string        `json:"id"`
	Since   time.Time     `json:"since"`
	Created time.Time     `json:"created_at"`
	Ended   *time.Time    `json:"ended_at,omitempty"`
	Agents  []ReplayAgent `json:"agents"`
}

// ReplayAgent is how far one agent is with a replay, and which blocks it no longer had.
type ReplayAgent struct {
	Agent         string     `json:"agent"`
	Name          string     `json:"name"`
	Answered      bool       `json:"answered"` // false: it was not connected since
	Blocks        int64      `json:"blocks"`
	Events        int64      `json:"events"`
	BlocksLeft    int64      `json:"blocks_left"`
	MissingBlocks int64      `json:"missing_blocks"`
	MissingEvents int64      `json:"missing_events"`
	MissingFrom   *time.Time `json:"missing_from,omitempty"` // when the agent's core acknowledged the first of them
	MissingUntil  *time.Time `json:"missing_until,omitempty"`
	Unknown       bool       `json:"unknown"` // its records do not reach back so far: more may be missing
	Error         string     `json:"error,omitempty"`
}

// Done says whether every agent has sent all that it had.
func (r *Replay) Done() bool {
	for _, a := range r.Agents {
		if !a.Answered || a.BlocksLeft > 0 {
			return false
		}
	}
	return true
}

// replayFor is how long agents that were away are still asked.
const replayFor = 7 * 24 * time.Hour

// BeginReplay asks all agents to send again all blocks acknowledged since a time, those
// that are away when they come back within a week.
func (a *Agents) BeginReplay(ctx context.Context, since time.Time) (Replay, error) {
	id, err := postgres.NewID()
	if err != nil {
		return Replay{}, err
	}
	err = a.pool.Change(ctx, "begin replay", func(tx pgx.Tx) error {
		if since.After(time.Now()) {
			return postgres.Invalid("since %s lies ahead", since.UTC().Format(time.RFC3339))
		}
		if _, err := tx.Exec(ctx, `UPDATE replays SET ended_at = now() WHERE ended_at IS NULL`); err != nil { // a new one replaces it
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO replays (id, since) VALUES ($1, $2)`, id, since); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "replay.begin", Target: id, Detail: map[string]any{"since": since.UTC()}})
	})
	if err != nil {
		return Replay{}, err
	}
	return a.Replay(ctx, id)
}

// OpenReplay returns the replay that agents are to be asked for, with the agents
// that have answered; ok is false if there is none.
func (a *Agents) OpenReplay(ctx context.Context) (r Replay, ok bool, err error) {
	rows, err := a.pool.Query(ctx, `SELECT r.id, r.since, coalesce(array_agg(g.agent) FILTER (WHERE g.agent IS NOT NULL), '{}')
		FROM replays r LEFT JOIN replay_agents g ON g.replay = r.id
		WHERE r.ended_at IS NULL AND r.created_at > now() - $1::bigint * interval '1 second' GROUP BY r.id, r.since ORDER BY r.id LIMIT 1`, int64(replayFor.Seconds()))
	if err != nil {
		return r, false, postgres.Wrap("read replay", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Replay, err error) {
		var answered []string
		err = row.Scan(&r.ID, &r.Since, &answered)
		for _, id := range answered {
			r.Agents = append(r.Agents, ReplayAgent{Agent: id, Answered: true})
		}
		return r, err
	})
	if err != nil || len(list) == 0 {
		return r, false, postgres.Wrap("read replay", err)
	}
	return list[0], true, nil
}

// Replay returns a replay with every agent that is not revoked; the newest for an empty id.
func (a *Agents) Replay(ctx context.Context, id string) (r Replay, err error) {
	err = a.pool.QueryRow(ctx, `SELECT id, since, created_at, ended_at FROM replays WHERE $1 IN ('', id) ORDER BY created_at DESC LIMIT 1`, id).
		Scan(&r.ID, &r.Since, &r.Created, &r.Ended)
	if err != nil {
		return r, postgres.Wrap("read replay", err)
	}
	rows, err := a.pool.Query(ctx, `SELECT a.id, a.name, g.agent IS NOT NULL, coalesce(g.blocks, 0), coalesce(g.events, 0), coalesce(g.blocks_left, 0),
			coalesce(g.missing_blocks, 0), coalesce(g.missing_events, 0), g.missing_from, g.missing_until, coalesce(g.unknown, false), coalesce(g.error, '')
		FROM agents a LEFT JOIN replay_agents g ON g.agent = a.id AND g.replay = $1
		WHERE (a.revoked_at IS NULL AND a.created_at < $2 AND a.last_seen IS NOT NULL) OR g.agent IS NOT NULL ORDER BY a.name, a.id`, r.ID, r.Created)
	if err != nil {
		return r, postgres.Wrap("read replay", err)
	}
	r.Agents, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (g ReplayAgent, err error) {
		err = row.Scan(&g.Agent, &g.Name, &g.Answered, &g.Blocks, &g.Events, &g.BlocksLeft, &g.MissingBlocks, &g.MissingEvents,
			&g.MissingFrom, &g.MissingUntil, &g.Unknown, &g.Error)
		return g, err
	})
	return r, postgres.Wrap("read replay", err)
}

// RecordReplayed keeps an agent's answer.
func (a *Agents) RecordReplayed(ctx context.Context, agentID string, m protocol.Replayed) error {
	at := func(ms int64) *time.Time {
		if ms == 0 {
			return nil
		}
		t := time.UnixMilli(ms).UTC()
		return &t
	}
	return a.pool.Change(ctx, "record replay", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO replay_agents (replay, agent, blocks, events, blocks_left, missing_blocks, missing_events, missing_from, missing_until, unknown, error)
			VALUES ($1, $2, $3, $4, $3, $5, $6, $7, $8, $9, $10) ON CONFLICT (replay, agent) DO NOTHING`,
			m.ID, agentID, m.Blocks, m.Events, m.MissingBlocks, m.MissingEvents, at(m.MissingFrom), at(m.MissingUntil), m.Unknown, postgres.Clip(m.Error))
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "replay.agent", Target: agentID, Detail: map[string]any{"replay": m.ID, "blocks": m.Blocks,
			"events": m.Events, "missing_blocks": m.MissingBlocks, "missing_events": m.MissingEvents, "more_may_be_missing": m.Unknown}})
	})
}

// replayProgress keeps how much an agent has left. It is called with heartbeats.
func (a *Agents) replayProgress(ctx context.Context, agentID, replay string, left int64) error {
	if replay == "" {
		return nil
	}
	if _, err := a.pool.Exec(ctx, `UPDATE replay_agents SET blocks_left = $3 WHERE replay = $1 AND agent = $2 AND blocks_left <> $3`, replay, agentID, left); err != nil {
		return fmt.Errorf("record replay: %w", err)
	}
	return nil
}
