package agents

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Buffer is an agent's report of its buffer.
type Buffer struct {
	Epoch   uint64
	First   uint64 // lowest sequence that is not acknowledged
	At      protocol.Position
	History []protocol.Position // where it has been, the newest last; empty for agents of earlier versions
	Hello   bool                // the first word of a session, not a heartbeat in it
}

// Known is where the core saw a buffer last.
type Known struct {
	First uint64
	At    protocol.Position
}

// ErrBehind says that a heartbeat is older than the known position: it was overtaken, or
// comes from a copy that is not as far.
var ErrBehind = errors.New("the buffer was further already")

// standing is how a buffer relates to its known position.
type standing int

const (
	follows  standing = iota // it was where the core saw it, or nobody can say
	behind                   // it is not as far
	diverged                 // it went by without having been there
)

// judge compares. A buffer tells only positions that it has in its history, so one
// that reaches around the known position without it has never been there.
func judge(known protocol.Position, b *Buffer) standing {
	switch {
	case b.At.Next < known.Next:
		return behind
	case b.At == known || known.Next == 0:
		return follows
	case b.At.Next == known.Next:
		return diverged
	}
	for _, p := range b.History {
		if p == known {
			return follows
		}
	}
	if len(b.History) == 0 || b.History[0].Next > known.Next {
		return follows // its history does not reach back so far
	}
	return diverged
}

// copyQuiet is for how long a buffer must not have been heard of before one that is
// not as far is taken for the same, with its end lost.
const copyQuiet = time.Minute

// auditCopiesEvery bounds how often the same copy is recorded.
const auditCopiesEvery = time.Hour

// RegisterBuffer notes how far the buffer of an agent is, and returns where it
// was known to be. ErrClone refuses a buffer that is another agent's, that went its own
// way since it was copied, or that is behind while the other copy is alive.
func (a *Agents) RegisterBuffer(ctx context.Context, agentID string, b Buffer) (known Known, err error) {
	var refusal error
	err = a.pool.Change(ctx, "register buffer", func(tx pgx.Tx) error {
		refusal = nil
		_, err := tx.Exec(ctx, `INSERT INTO agent_epochs (epoch, agent, next_seq, chain, first_seq) SELECT $1, id, $3, $4, $5 FROM agents WHERE id = $2
			ON CONFLICT (epoch) DO NOTHING`, int64(b.Epoch), agentID, int64(b.At.Next), int64(b.At.Chain), int64(b.First))
		if err != nil {
			return err
		}
		var owner string
		var next, chain, first int64
		var quiet, refused *float64
		err = tx.QueryRow(ctx, `SELECT agent, next_seq, chain, first_seq, extract(epoch FROM now() - last_seen), extract(epoch FROM now() - refused_at)
			FROM agent_epochs WHERE epoch = $1 FOR UPDATE`, int64(b.Epoch)).Scan(&owner, &next, &chain, &first, &quiet, &refused)
		if err != nil {
			return err
		}
		known = Known{First: uint64(first), At: protocol.Position{Next: uint64(next), Chain: uint64(chain)}}
		why := ""
		how := judge(known.At, &b)
		switch {
		case owner != agentID:
			why = "it belongs to agent " + owner + ": it was copied, or the agent was enrolled anew under another id"
		case len(b.History) == 0:
			how = follows // an earlier version, which cannot go on from elsewhere
		case how == behind && !b.Hello:
			refusal = ErrBehind
			return nil
		case how == behind && *quiet < copyQuiet.Seconds():
			why = fmt.Sprintf("another one, which is further, was heard of %.0f s ago", *quiet)
		case how == diverged:
			why = "it was never where this agent's buffer was seen last: one of them is a copy"
		}
		if why != "" {
			refusal = fmt.Errorf("register buffer %016x of agent %s: %w: %s", b.Epoch, agentID, ErrClone, why)
			if refused != nil && *refused < auditCopiesEvery.Seconds() {
				return nil
			}
			if _, err := tx.Exec(ctx, `UPDATE agent_epochs SET refused_at = now() WHERE epoch = $1`, int64(b.Epoch)); err != nil {
				return err
			}
			return postgres.Audit(ctx, tx, postgres.Happened{Action: "agent.clone", Outcome: postgres.Denied, Target: agentID, Detail: bufferDetail(&b, known, why)})
		}
		if how == behind { // it will go on from where it was known to be
			if _, err := tx.Exec(ctx, `UPDATE agent_epochs SET last_seen = now() WHERE epoch = $1`, int64(b.Epoch)); err != nil {
				return err
			}
			return postgres.Audit(ctx, tx, postgres.Happened{Action: "agent.gap", Target: agentID,
				Detail: bufferDetail(&b, known, "the end of its buffer was lost, or an older state was put back")})
		}
		_, err = tx.Exec(ctx, `UPDATE agent_epochs SET next_seq = $2, chain = $3, first_seq = $4, last_seen = now() WHERE epoch = $1`,
			int64(b.Epoch), int64(b.At.Next), int64(b.At.Chain), int64(b.First))
		return err
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return known, fmt.Errorf("register buffer: agent %s: %w", agentID, postgres.ErrNotFound)
	}
	return known, errors.Join(err, refusal)
}

// bufferDetail says exactly which blocks are in question.
func bufferDetail(b *Buffer, known Known, why string) map[string]any {
	detail := map[string]any{"epoch": fmt.Sprintf("%016x", b.Epoch), "why": why, "next": b.At.Next, "known_next": known.At.Next}
	if lost := max(b.At.Next, known.First); lost < known.At.Next {
		detail["lost_first"], detail["lost_last"] = lost, known.At.Next-1
		detail["lost_blocks_at_most"] = known.At.Next - lost
	}
	return detail
}

// CertificateUsed notes that an agent has shown a certificate in a session.
func (a *Agents) CertificateUsed(ctx context.Context, agentID, serial string) error {
	return a.pool.Change(ctx, "note certificate", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE agent_certificates SET used_at = now() WHERE serial = $1 AND agent = $2 AND used_at IS NULL`, serial, agentID)
		return err
	})
}

// MayRenewExpired says whether a certificate that has ended may be renewed by proof of
// its key: it was issued to that agent, which is not revoked, and no later one was ever
// used. ErrNotFound says no. Either way the audit log has it.
func (a *Agents) MayRenewExpired(ctx context.Context, agentID, serial string) error {
	err := a.pool.Change(ctx, "renew expired certificate", func(tx pgx.Tx) error {
		var expired time.Time
		err := tx.QueryRow(ctx, `SELECT c.expires_at FROM agent_certificates c JOIN agents a ON a.id = c.agent
			WHERE c.serial = $1 AND c.agent = $2 AND a.revoked_at IS NULL AND NOT EXISTS (
				SELECT FROM agent_certificates l WHERE l.agent = c.agent AND l.expires_at > c.expires_at AND l.used_at IS NOT NULL)`,
			serial, agentID).Scan(&expired)
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "agent.renew_expired", Target: agentID,
			Detail: map[string]any{"serial": serial, "expired": expired.UTC()}})
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return errors.Join(err, a.pool.Record(ctx, "agent.renew_expired", postgres.Denied, agentID, "", map[string]any{"serial": serial}))
	}
	return err
}
