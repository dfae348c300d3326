package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

// Outcomes of entries of the audit log.
const (
	Success = "success"
	Failure = "failure"
	Denied  = "denied"
)

// Actor is who does something, for the audit log.
type Actor struct {
	Kind      string // "user", "token:" and the token's prefix, "system", "agent" or "anonymous"
	ID        string // user id, agent id, or the name that an anonymous caller gave
	IP        string
	RequestID string
	Limit     *access.Limit // of the actor's permissions, if it acts through an API token

	// Apps are those that exist for the actor in this request, whatever a query asks for: none by
	// itself, and all for the system.
	Apps access.AppList

	// Sources are the media sources whose links exist for the actor in this request; none means all.
	Sources []string
}

type actorKey struct{}

// WithActor names who is acting in everything that is done under the context. Without it, the system is,
// which is bound to no app: whatever serves a request must name an actor.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf returns who acts under the context.
func ActorOf(ctx context.Context) Actor {
	if actor, ok := ctx.Value(actorKey{}).(Actor); ok {
		return actor
	}
	return Actor{Kind: "system"}
}

// Entry is one line of the audit log.
type Entry struct {
	Seq       int64           `json:"seq"`
	Time      time.Time       `json:"time"`
	ActorKind string          `json:"actor_kind"`
	Actor     string          `json:"actor"`
	Action    string          `json:"action"` // a stable code such as "user.create"
	Outcome   string          `json:"outcome"`
	Target    string          `json:"target"`
	App       string          `json:"app,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	IP        string          `json:"ip,omitempty"`
	Detail    json.RawMessage `json:"detail"`
}

// Limits of the fields of an entry, in bytes.
const (
	maxAuditField  = 256
	maxAuditDetail = 16 << 10
)

// Happened is the caller's part of an entry; who and when are added.
type Happened struct {
	Action  string
	Outcome string // empty means success
	Target  string
	App     string
	Detail  any // JSON; never a secret
}

// Record writes an entry of its own, for what changes nothing: refusals and failed attempts.
func (a *Pool) Record(ctx context.Context, action, outcome, target, app string, detail any) error {
	return a.Change(ctx, "record audit entry", func(tx pgx.Tx) error {
		return Audit(ctx, tx, Happened{Action: action, Outcome: outcome, Target: target, App: app, Detail: detail})
	})
}

// Audit appends an entry to the log inside the transaction of the change. It comes last in its
// transaction: it takes the lock on the head, under which only the commit is left to do. While the log
// cannot be written, for whatever reason, nothing changes: the error is ErrUnavailable.
func Audit(ctx context.Context, tx pgx.Tx, what Happened) error {
	actor := ActorOf(ctx)
	detail := []byte("{}")
	if what.Detail != nil {
		var err error
		if detail, err = json.Marshal(what.Detail); err != nil {
			return fmt.Errorf("encode audit detail: %w", err)
		}
	}
	if len(detail) > maxAuditDetail {
		detail = []byte(`{"truncated":true}`)
	}
	entry := Entry{
		ActorKind: actor.Kind, Actor: Clip(actor.ID), Action: what.Action, Outcome: what.Outcome, Target: Clip(what.Target),
		App: Clip(what.App), RequestID: Clip(actor.RequestID), IP: Clip(actor.IP), Detail: detail,
	}
	if entry.Outcome == "" {
		entry.Outcome = Success
	}
	var prev []byte
	// clock_timestamp and not now(): the order of times is then the order of the log.
	err := tx.QueryRow(ctx, `SELECT seq + 1, hash, date_trunc('microseconds', clock_timestamp()) FROM audit_head FOR UPDATE`).
		Scan(&entry.Seq, &prev, &entry.Time)
	if err != nil {
		return fmt.Errorf("lock audit log: %w: %w", ErrUnavailable, err)
	}
	hash, err := entry.hash(prev)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit_log
		(seq, time, actor_kind, actor, action, outcome, target, app, request_id, ip, detail, prev_hash, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		entry.Seq, entry.Time, entry.ActorKind, entry.Actor, entry.Action, entry.Outcome, entry.Target, entry.App,
		entry.RequestID, entry.IP, string(entry.Detail), prev, hash)
	if err != nil {
		return fmt.Errorf("write audit log: %w: %w", ErrUnavailable, err)
	}
	if _, err := tx.Exec(ctx, `UPDATE audit_head SET seq = $1, hash = $2`, entry.Seq, hash); err != nil {
		return fmt.Errorf("write audit head: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// Clip shortens a field to the log's limit and replaces bytes that Postgres' text cannot hold.
func Clip(s string) string {
	valid := bytes.ToValidUTF8([]byte(s), []byte("?"))
	valid = bytes.ReplaceAll(valid, []byte{0}, []byte("?"))
	if len(valid) > maxAuditField {
		valid = bytes.ToValidUTF8(valid[:maxAuditField], nil)
	}
	return string(valid)
}

// hash is SHA-256 over the previous hash and the entry in its canonical form: a JSON array of its
// fields in order, so that no two entries share one.
func (e *Entry) hash(prev []byte) ([]byte, error) {
	canonical, err := json.Marshal([]any{
		e.Seq, e.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), e.ActorKind, e.Actor, e.Action, e.Outcome, e.Target,
		e.App, e.RequestID, e.IP, string(e.Detail),
	})
	if err != nil {
		return nil, fmt.Errorf("encode audit entry: %w", err)
	}
	sum := sha256.New()
	sum.Write(prev)
	sum.Write(canonical)
	return sum.Sum(nil), nil
}

// AuditPage asks for entries, newest first.
type AuditPage struct {
	Before int64  // only entries with a smaller seq; 0 means from the newest
	Limit  int    // at most so many
	Actor  string // only this actor's, if not empty

	Action  string // only this action, or all that begin with it if it ends in a dot, if not empty
	Outcome string // only this outcome, if not empty
	Target  string // only of this target, if not empty

	From, To time.Time // only from From on and before To, where they are not zero
}

// Audit reads the log.
func (a *Pool) Audit(ctx context.Context, page AuditPage) ([]Entry, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+auditColumns+` FROM audit_log
		WHERE ($1 = 0 OR seq < $1) AND ($3 = '' OR actor = $3)
			AND ($4 = '' OR action = $4 OR (right($4, 1) = '.' AND starts_with(action, $4)))
			AND ($5 = '' OR outcome = $5) AND ($6 = '' OR target = $6)
			AND ($7::timestamptz IS NULL OR time >= $7) AND ($8::timestamptz IS NULL OR time < $8)
		ORDER BY seq DESC LIMIT $2`,
		page.Before, page.Limit, page.Actor, page.Action, page.Outcome, page.Target, optional(page.From), optional(page.To))
	if err != nil {
		return nil, Wrap("read audit log", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entry, error) {
		e, _, _, err := scanEntry(row)
		return e, err
	})
	return entries, Wrap("read audit log", err)
}

// optional is null for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const auditColumns = `seq, time, actor_kind, actor, action, outcome, target, app, request_id, ip, detail, prev_hash, hash`

func scanEntry(row pgx.CollectableRow) (e Entry, prev, hash []byte, err error) {
	var detail string
	err = row.Scan(&e.Seq, &e.Time, &e.ActorKind, &e.Actor, &e.Action, &e.Outcome, &e.Target, &e.App,
		&e.RequestID, &e.IP, &detail, &prev, &hash)
	e.Time, e.Detail = e.Time.UTC(), json.RawMessage(detail)
	return e, prev, hash, err
}

// Verification is what checking the whole audit log found.
type Verification struct {
	Valid    bool   `json:"valid"`
	Entries  int64  `json:"entries"`             // checked, up to the first bad one
	FirstBad int64  `json:"first_bad,omitempty"` // seq of the first entry that is not as it was written
	Reason   string `json:"reason,omitempty"`
	Head     string `json:"head"` // hash of the last good entry, in hex

	Signed *SignedHead `json:"signed"`         // the last signature over the log, if there is one
	Gaps   []Gap       `json:"gaps,omitempty"` // entries that were lost when the database was restored
	Copies int         `json:"copies"`         // signatures kept outside of the database that it was compared with
}

// verifyBatch is how many entries one query of VerifyAudit reads.
const verifyBatch = 5000

// VerifyAudit walks the chain from its beginning and names the first entry that was edited, removed,
// inserted or moved. If the chain is whole, it is compared with the heads that were signed: those in the
// database, and those that were kept elsewhere.
func (a *Pool) VerifyAudit(ctx context.Context, kept ...SignedHead) (Verification, error) {
	v := Verification{Valid: true, Copies: len(kept)}
	prev := make([]byte, sha256.Size)
	key, err := a.auditPublicKey(ctx)
	if err != nil {
		return v, fmt.Errorf("verify audit log: %w", err)
	}
	err = pgx.BeginTxFunc(ctx, a.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for v.Valid {
			rows, err := tx.Query(ctx, `SELECT `+auditColumns+` FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT $2`, v.Entries, verifyBatch)
			if err != nil {
				return err
			}
			read := 0
			_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
				read++
				if !v.Valid {
					return struct{}{}, nil
				}
				e, storedPrev, hash, err := scanEntry(row)
				if err != nil {
					return struct{}{}, err
				}
				prev, err = v.check(&e, prev, storedPrev, hash)
				return struct{}{}, err
			})
			if err != nil {
				return err
			}
			if read < verifyBatch {
				break
			}
		}
		if err := v.checkHead(ctx, tx, prev); err != nil || !v.Valid {
			return err
		}
		return v.checkSigned(ctx, tx, key, kept)
	})
	v.Head = fmt.Sprintf("%x", prev)
	return v, Wrap("verify audit log", err)
}

// check takes one more entry and returns the hash that the next must build on.
func (v *Verification) check(e *Entry, prev, storedPrev, hash []byte) ([]byte, error) {
	want, err := e.hash(prev)
	if err != nil {
		return prev, err
	}
	switch {
	case e.Seq != v.Entries+1:
		v.bad(v.Entries+1, fmt.Sprintf("entry %d is missing", v.Entries+1))
	case !bytes.Equal(storedPrev, prev):
		v.bad(e.Seq, "the entry does not follow the one before it")
	case !bytes.Equal(hash, want):
		v.bad(e.Seq, "the entry is not as it was written")
	default:
		v.Entries++
		return hash, nil
	}
	return prev, nil
}

func (v *Verification) bad(seq int64, reason string) {
	v.Valid, v.FirstBad, v.Reason = false, seq, reason
}

func (v *Verification) checkHead(ctx context.Context, tx pgx.Tx, prev []byte) error {
	var seq int64
	var hash []byte
	if err := tx.QueryRow(ctx, `SELECT seq, hash FROM audit_head`).Scan(&seq, &hash); err != nil {
		return err
	}
	if v.Valid && (seq != v.Entries || !bytes.Equal(hash, prev)) {
		v.bad(v.Entries+1, "the end of the log is missing")
	}
	return nil
}
