package deliveries

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Ledger keeps postbacks and their deliveries in Postgres. It is the Store of couriers.
type Ledger struct{ *postgres.Pool }

// NewLedger returns the ledger of a database.
func NewLedger(pool *postgres.Pool) *Ledger { return &Ledger{pool} }

// sealName is the name under which the secrets of a postback are sealed.
func sealName(id string) string { return postgres.PostbackLabel + id }

// InForce returns the enabled postbacks of all apps that are not deleted, with their secrets.
func (l *Ledger) InForce(ctx context.Context) ([]Postback, error) {
	rows, err := l.Query(ctx, `SELECT p.id, p.app, p.since, p.definition, p.sealed FROM postbacks p JOIN apps a ON a.id = p.app
		WHERE a.deleted_at IS NULL AND (p.definition->>'enabled')::boolean`)
	if err != nil {
		return nil, postgres.Wrap("read postbacks", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Postback, err error) {
		var definition, sealed []byte
		if err = row.Scan(&p.ID, &p.App, &p.Since, &definition, &sealed); err != nil {
			return p, err
		}
		if err := json.Unmarshal(definition, &p.Definition); err != nil {
			return p, fmt.Errorf("read definition of postback %s: %w", p.ID, err)
		}
		p.Secrets, err = l.open(p.ID, sealed)
		return p, err
	})
	return list, postgres.Wrap("read postbacks", err)
}

func (l *Ledger) open(id string, sealed []byte) (s Secrets, err error) {
	plain, err := l.Unseal(sealName(id), sealed)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, fmt.Errorf("read secrets of postback %s: %w", id, err)
	}
	return s, nil
}

// Known returns the newest delivery of each of these conversions to a postback.
func (l *Ledger) Known(ctx context.Context, id string, conversions []string) (map[string]Sent, error) {
	rows, err := l.Query(ctx, `SELECT DISTINCT ON (conversion) conversion, number, digest, first_try IS NOT NULL OR state <> 'due' FROM deliveries
		WHERE postback = $1 AND conversion = ANY ($2) ORDER BY conversion, number DESC`, id, conversions)
	if err != nil {
		return nil, postgres.Wrap("read deliveries", err)
	}
	known := make(map[string]Sent)
	var conversion string
	var s Sent
	_, err = pgx.ForEachRow(rows, []any{&conversion, &s.Number, &s.Digest, &s.Tried}, func() error {
		known[conversion] = s
		return nil
	})
	return known, postgres.Wrap("read deliveries", err)
}

// Decide stores deliveries and, unless it is zero, the watermark, in one transaction. Deliveries that are
// there already stay as they are. It returns how many are new, and ErrFenced to whoever lost the lease.
func (l *Ledger) Decide(ctx context.Context, decisions []Decision, watermark time.Time, epoch int64) (int, error) {
	made := 0
	err := l.Change(ctx, "store decisions", func(tx pgx.Tx) error {
		if err := fence(ctx, tx, watermark, epoch); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for i := range decisions {
			d := &decisions[i]
			// A postback or an app that was deleted meanwhile wants nothing.
			batch.Queue(`INSERT INTO deliveries
					(id, app, postback, conversion, number, event, media_source, campaign, link_id, digest, attributed_at, next_at)
				SELECT $1, $2, id, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM postbacks WHERE id = $3
				ON CONFLICT DO NOTHING`,
				d.ID(), d.App, d.Postback, d.Conversion, d.Number, d.Event, d.MediaSource, d.Campaign, d.LinkID, d.Digest, d.Written, d.Due)
		}
		results := tx.SendBatch(ctx, batch)
		for range decisions {
			done, err := results.Exec()
			if err != nil {
				return errors.Join(err, results.Close())
			}
			made += int(done.RowsAffected())
		}
		return results.Close()
	})
	return made, err
}

// fence moves the watermark, or touches it without moving it, unless a later holder of the lease has.
func fence(ctx context.Context, tx pgx.Tx, watermark time.Time, epoch int64) error {
	var at *time.Time
	if !watermark.IsZero() {
		at = &watermark
	}
	done, err := tx.Exec(ctx, `INSERT INTO watermarks AS w (name, time, epoch) VALUES ($1, coalesce($2, 'epoch'::timestamptz), $3)
		ON CONFLICT (name) DO UPDATE SET time = coalesce($2, w.time), epoch = excluded.epoch, updated_at = now()
		WHERE w.epoch <= excluded.epoch`, leaseName, at, epoch)
	if err == nil && done.RowsAffected() == 0 {
		err = postgres.ErrFenced
	}
	return err
}

// Take leases deliveries that are due to a node and counts the attempt.
func (l *Ledger) Take(ctx context.Context, owner string, most int, lease time.Duration) ([]Due, error) {
	rows, err := l.Query(ctx, `UPDATE deliveries d SET lease_owner = $1, lease_until = clock_timestamp() + $3::bigint * interval '1 millisecond',
			attempts = attempts + 1
		WHERE d.id IN (SELECT id FROM deliveries WHERE state = 'due' AND next_at <= clock_timestamp() AND lease_until <= clock_timestamp()
			ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED)
		RETURNING id, app, postback, conversion, number, attempts, first_try, request`, owner, most, lease.Milliseconds())
	if err != nil {
		return nil, postgres.Wrap("take deliveries", err)
	}
	due, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Due, err error) {
		var first *time.Time
		err = row.Scan(&d.ID, &d.App, &d.Postback, &d.Conversion, &d.Number, &d.Attempt, &first, &d.Request)
		if first != nil {
			d.First = *first
		}
		return d, err
	})
	return due, postgres.Wrap("take deliveries", err)
}

// Fix stores the sealed request before its first try. Whoever lost the lease gets ErrFenced.
func (l *Ledger) Fix(ctx context.Context, d Due, owner string, request []byte) error {
	return l.held(l.Exec(ctx, `UPDATE deliveries SET request = $3, first_try = clock_timestamp()
		WHERE id = $1 AND lease_owner = $2 AND attempts = $4 AND state = 'due' AND request IS NULL`, d.ID, owner, request, d.Attempt))
}

// Finish stores what came of a try and ends the lease.
func (l *Ledger) Finish(ctx context.Context, d Due, owner string, o Outcome) error {
	next := o.Next
	if next.IsZero() {
		next = time.Unix(0, 0)
	}
	uncounted := 0
	if o.Untried {
		uncounted = 1
	}
	var shown *string
	if o.Shown != nil {
		text := string(o.Shown)
		shown = &text
	}
	return l.held(l.Exec(ctx, `UPDATE deliveries SET state = $3, next_at = $4, status = $5, latency_ms = $6, answer = $7, fault = $8,
			shown = coalesce($9::jsonb, shown), digest = CASE WHEN $10 = '' THEN digest ELSE $10 END,
			lease_until = 'epoch', lease_owner = '', attempts = attempts - $11, last_try = CASE WHEN $11 = 0 THEN clock_timestamp() ELSE last_try END,
			request = CASE WHEN $3 = 'due' THEN request END
		WHERE id = $1 AND lease_owner = $2 AND attempts = $12 AND state = 'due'`,
		d.ID, owner, o.State, next, o.Status, o.Latency.Milliseconds(), o.Answer, o.Fault, shown, o.Digest, uncounted, d.Attempt))
}

// held is ErrFenced if a statement of the lease's holder found nothing.
func (l *Ledger) held(done interface{ RowsAffected() int64 }, err error) error {
	if err == nil && done.RowsAffected() == 0 {
		err = postgres.ErrFenced
	}
	return postgres.Wrap("store delivery", err)
}

// sweepAtOnce bounds one transaction of Sweep.
const sweepAtOnce = 5000

// Sweep drops deliveries that were decided before a time, undelivered ones among them.
func (l *Ledger) Sweep(ctx context.Context, before time.Time) (int64, error) {
	total := int64(0)
	for {
		done, err := l.Exec(ctx, `DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2)`, before, sweepAtOnce)
		if err != nil {
			return total, postgres.Wrap("drop old deliveries", err)
		}
		if total += done.RowsAffected(); done.RowsAffected() < sweepAtOnce {
			return total, nil
		}
	}
}

// Forget drops the deliveries of conversions that were erased.
func (l *Ledger) Forget(ctx context.Context, app string, conversions []string) error {
	_, err := l.Exec(ctx, `DELETE FROM deliveries WHERE app = $1 AND conversion = ANY ($2)`, app, conversions)
	return postgres.Wrap("forget deliveries", err)
}
