package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Vitals is how Postgres stands, for the operator's metrics.
type Vitals struct {
	Migration  int64         // the newest migration that was applied
	Unsigned   time.Duration // age of the oldest entry of the audit log that no signature covers; 0: all are signed
	SizeBytes  int64         // of the database
	OldestOpen time.Duration // age of the oldest open transaction of anybody on this database
}

// Vitals reads how Postgres stands, in short queries.
func (a *Pool) Vitals(ctx context.Context) (Vitals, error) {
	var v Vitals
	var unsigned, oldest float64
	err := a.pool.QueryRow(ctx, `SELECT
		(SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied),
		(SELECT coalesce(extract(epoch FROM clock_timestamp() - min(time)), 0)::float8 FROM audit_log
			WHERE seq > (SELECT coalesce(max(seq), 0) FROM audit_heads)),
		pg_database_size(current_database()),
		(SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid())`).
		Scan(&v.Migration, &unsigned, &v.SizeBytes, &oldest)
	if err != nil {
		return v, Wrap("read the state of postgres", err)
	}
	seconds := func(s float64) time.Duration { return time.Duration(max(0, s) * float64(time.Second)) }
	v.Unsigned, v.OldestOpen = seconds(unsigned), seconds(oldest)
	return v, nil
}

// PoolStats tells of the pool of connections.
func (a *Pool) PoolStats() *pgxpool.Stat { return a.pool.Stat() }
