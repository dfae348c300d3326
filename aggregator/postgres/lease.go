package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Lease takes or renews the lease of that name for the owner. Epoch is the fencing token: it grows
// whenever the lease changes hands or was let expire. Held is false while another owner has it.
func (a *Pool) Lease(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error) {
	err = a.pool.QueryRow(ctx, `INSERT INTO leases AS l (name, owner, epoch, expires_at)
		VALUES ($1, $2, 1, clock_timestamp() + $3::bigint * interval '1 millisecond')
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at,
			epoch = CASE WHEN l.owner = excluded.owner AND l.expires_at > clock_timestamp() THEN l.epoch ELSE l.epoch + 1 END
		WHERE l.owner = excluded.owner OR l.expires_at <= clock_timestamp()
		RETURNING epoch`, name, owner, ttl.Milliseconds()).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		err = a.pool.QueryRow(ctx, `SELECT epoch FROM leases WHERE name = $1`, name).Scan(&epoch)
		return epoch, false, Wrap("read lease", err)
	}
	return epoch, err == nil, Wrap("take lease", err)
}

// Release gives a lease up before it expires, so that another node need not wait.
func (a *Pool) Release(ctx context.Context, name, owner string) error {
	_, err := a.pool.Exec(ctx, `UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND owner = $2`, name, owner)
	return Wrap("release lease", err)
}

// Watermark returns up to when the work of that name is done, the zero time if it never was.
func (a *Pool) Watermark(ctx context.Context, name string) (time.Time, error) {
	var t time.Time
	err := a.pool.QueryRow(ctx, `SELECT time FROM watermarks WHERE name = $1`, name).Scan(&t)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return t.UTC(), Wrap("read watermark", err)
}

// SetWatermark stores up to when the work is done. The epoch is that of the lease under which it was
// done: once a holder of a later epoch has stored, an earlier one gets ErrFenced.
func (a *Pool) SetWatermark(ctx context.Context, name string, t time.Time, epoch int64) error {
	done, err := a.pool.Exec(ctx, `INSERT INTO watermarks AS w (name, time, epoch) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET time = excluded.time, epoch = excluded.epoch, updated_at = now()
		WHERE w.epoch <= excluded.epoch`, name, t, epoch)
	if err == nil && done.RowsAffected() == 0 {
		err = ErrFenced
	}
	return Wrap("store watermark", err)
}
