package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The second wall between apps. The first is what each query asks for; this one is Postgres' own:
// row-level security on every table of apps, made by walls.sql. Each transaction says for which apps it
// is, in a setting that ends with it, and rows of any other app do not exist for it. Nothing said means
// no app at all. Whatever does not act for somebody (see [WithActor]) is the system, and for all apps.

// everyApp is the scope of the system, which is bound to no app. No list looks like it: lists begin with a comma.
const everyApp = "*"

const setScope = `SELECT set_config('unmogrowp.apps', $1, true)`

// scopeOf is the value of the setting in a transaction under the context.
func scopeOf(ctx context.Context) string {
	actor := ActorOf(ctx)
	if actor.Kind == "system" || actor.Apps.All {
		return everyApp
	}
	var scope strings.Builder
	scope.WriteByte(',')
	for _, app := range actor.Apps.IDs {
		if app != "" && !strings.ContainsAny(app, ",\x00") { // no id of ours has one
			scope.WriteString(app)
			scope.WriteByte(',')
		}
	}
	return scope.String()
}

// ForEveryApp lifts the scope of a transaction while do runs: for counts over all apps.
func ForEveryApp(ctx context.Context, tx pgx.Tx, do func() error) error {
	if _, err := tx.Exec(ctx, setScope, everyApp); err != nil {
		return fmt.Errorf("lift scope: %w", err)
	}
	if err := do(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, setScope, scopeOf(ctx)); err != nil {
		return fmt.Errorf("set scope: %w", err)
	}
	return nil
}

// scopedPool is a pool in which every statement and every transaction has the scope of its context. A
// statement of its own goes to Postgres together with the setting, as one transaction and in one round
// trip. The pool's other methods set no scope: what runs through them sees no app.
type scopedPool struct{ *pgxpool.Pool }

// BeginTx begins a transaction and says for which apps it is.
func (p *scopedPool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := p.Pool.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, setScope, scopeOf(ctx)); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx)) // the first error says more
		return nil, fmt.Errorf("set scope: %w", err)
	}
	return tx, nil
}

// send sends the scope and a statement.
func (p *scopedPool) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	batch := &pgx.Batch{}
	batch.Queue(setScope, scopeOf(ctx))
	batch.Queue(sql, args...)
	results := p.SendBatch(ctx, batch)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // repeats the error
		return nil, err
	}
	return results, nil
}

// Exec runs a statement. It has been committed when Exec returns without an error.
func (p *scopedPool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	results, err := p.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	if closing := results.Close(); err == nil {
		err = closing
	}
	return tag, err
}

// Query runs a statement that answers with rows.
func (p *scopedPool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	results, err := p.send(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		rows.Close()
		_ = results.Close() // repeats the error
		return nil, err
	}
	return &scopedRows{Rows: rows, results: results}, nil
}

// QueryRow runs a statement that answers with one row.
func (p *scopedPool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := p.Query(ctx, sql, args...)
	return &scopedRow{rows: rows, err: err}
}

// scopedRows ends the transaction when the rows end.
type scopedRows struct {
	pgx.Rows
	results pgx.BatchResults // nil once closed
	err     error
}

// Next is false after the last row and after an error; then everything is closed.
func (r *scopedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close ends the transaction, once.
func (r *scopedRows) Close() {
	r.Rows.Close()
	if r.results == nil {
		return
	}
	r.err = r.results.Close()
	r.results = nil
}

// Err is what went wrong, if anything did, once the rows are closed.
func (r *scopedRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

type scopedRow struct {
	rows pgx.Rows
	err  error
}

// Scan reads the first row, pgx.ErrNoRows if there is none, and ends the transaction.
func (r *scopedRow) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
