// Package postgres is the open database that people, apps and agents are kept in, and their common
// ground: migrations, the application role, the scope of apps, sealed secrets, leases and watermarks,
// the settings generation, and the audit log.
//
// What always holds:
//
//   - A change and its audit entry are one transaction: see [Pool.Change] and [Audit]. When the log
//     cannot be written, nothing changes.
//   - Whatever agents are told grows the settings generation in the transaction of the change and is
//     announced with NOTIFY: see [Grow] and [Pool.Watch].
//   - What must be read again (certificate authority, signing keys) is stored sealed under the master
//     key.
//   - Time is the database's, so nodes with clocks apart agree on whether something has expired.
//
// A Pool holds no state except its connections and the master key, and may be used by any number of
// goroutines.
package postgres

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Errors that callers act upon.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("already exists")
	ErrFenced      = errors.New("the lease has passed to another node")
	ErrUnavailable = errors.New("postgres cannot be reached")
)

// InvalidError is a fault of the caller's input, in words for the person who gave it.
type InvalidError struct{ Reason string }

// Error returns the reason.
func (e *InvalidError) Error() string { return e.Reason }

// Invalid makes an InvalidError.
func Invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

//go:embed migrations/*.sql walls.sql
var migrations embed.FS

// errUnreadable stands for the parser's error, which may hold the password.
func errUnreadable() error {
	return errors.New("the Postgres DSN cannot be read: write postgres://user:password@host:port/database")
}

// Time limits of statements.
const (
	statementTimeout = 10 * time.Second
	lockTimeout      = 5 * time.Second
	idleInTx         = 15 * time.Second
	connectTimeout   = 5 * time.Second
)

// Options say how to reach Postgres.
type Options struct {
	DSN       string   // a URL or key=value words, as libpq takes them; see role.go for whose
	MasterKey []byte   // 32 bytes; seals the secrets
	OtherKeys [][]byte // master keys that secrets may be sealed under while the key is changed
	MaxConns  int32    // 0 means 10
}

// Pool is the open database.
type Pool struct {
	pool   *scopedPool
	config *pgx.ConnConfig // of connections outside of the pool, for LISTEN
	owner  *pgx.ConnConfig // for migrations; nil if the DSN is the application role's
	keys   *keyring
}

// Open connects to Postgres. It fails if Postgres does not answer.
func Open(ctx context.Context, options Options) (*Pool, error) {
	keys, err := newKeyring(append([][]byte{options.MasterKey}, options.OtherKeys...))
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	config, err := pgxpool.ParseConfig(options.DSN)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", errUnreadable())
	}
	config.MaxConns = max(options.MaxConns, 0)
	if config.MaxConns == 0 {
		config.MaxConns = 10
	}
	config.MaxConnLifetime = 30 * time.Minute
	config.MaxConnLifetimeJitter = 5 * time.Minute
	config.HealthCheckPeriod = 15 * time.Second
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement // never the simple protocol
	owner, err := becomeApplication(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	parameters := config.ConnConfig.RuntimeParams
	parameters["application_name"] = "unmogrowp-aggregator"
	parameters["statement_timeout"] = milliseconds(statementTimeout)
	parameters["lock_timeout"] = milliseconds(lockTimeout)
	parameters["idle_in_transaction_session_timeout"] = milliseconds(idleInTx)
	parameters["synchronous_commit"] = "on"
	parameters["timezone"] = "UTC"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	a := &Pool{pool: &scopedPool{pool}, config: config.ConnConfig, owner: owner, keys: keys}
	if err := a.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	return a, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// Close closes every connection, after what runs on them.
func (a *Pool) Close() { a.pool.Close() }

// Ping says whether Postgres answers.
func (a *Pool) Ping(ctx context.Context) error {
	if err := a.pool.Ping(ctx); err != nil {
		return Wrap("reach postgres", err)
	}
	return nil
}

// Migrate brings the schema up to date, as the owner of the tables. Nodes that start together take
// turns. An application role only sees to it that somebody else has done so.
func (a *Pool) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate postgres: %w", err)
	}
	if err := a.CheckLevel(ctx); err != nil {
		return err
	}
	if a.owner == nil {
		err = a.migrated(ctx, files)
	} else {
		err = migrate(ctx, a.owner, files)
	}
	if err != nil {
		return fmt.Errorf("migrate postgres: %w", err)
	}
	return nil
}

func migrate(ctx context.Context, owner *pgx.ConnConfig, files fs.FS) error {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120), lock.WithUnlockTimeout(1, 10)) // seconds, tries
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*owner)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true)) // none depends on one of another branch
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, owner.Copy())
	if err != nil {
		return Wrap("reach postgres", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return errors.Join(raiseLevel(ctx, conn), wall(ctx, conn))
}

// Query runs a statement that answers with rows, within the scope of the context.
func (a *Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return a.pool.Query(ctx, sql, args...)
}

// QueryRow runs a statement that answers with one row, within the scope of the context.
func (a *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return a.pool.QueryRow(ctx, sql, args...)
}

// Exec runs a statement within the scope of the context. It has been committed when Exec returns
// without an error.
func (a *Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return a.pool.Exec(ctx, sql, args...)
}

// BeginTx begins a transaction within the scope of the context.
func (a *Pool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	return a.pool.BeginTx(ctx, options)
}

// Owner says how to connect as the owner of the tables, nil if only the application role is known.
func (a *Pool) Owner() *pgx.ConnConfig { return a.owner }

// Change runs a transaction that changes something. It commits only if do returns no error.
func (a *Pool) Change(ctx context.Context, what string, do func(tx pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, a.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, do)
	return Wrap(what, err)
}

// Wrap adds the action that failed, unless the error is one that callers act upon.
func Wrap(what string, err error) error {
	var bad *InvalidError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	case errors.As(err, &bad):
		return err
	case Violates(err, "23505"):
		return fmt.Errorf("%s: %w", what, ErrExists)
	case Violates(err, "22021"), Violates(err, "22P05"): // ids and cursors come from addresses, unchecked
		return Invalid("a value holds NUL or is not UTF-8")
	case unreachable(err):
		return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Violates says whether Postgres refused with that SQLSTATE.
func Violates(err error, state string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == state
}

// unreachable says whether Postgres did not answer in time, is starting, stopping or full.
func unreachable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57") || pg.Code == "55P03" || strings.HasPrefix(pg.Code, "53")
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF)
}

// NewID makes an id that sorts by time of creation.
func NewID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}

// NewToken makes a random name of n bytes of entropy in lower-case letters and digits.
func NewToken(prefix string, n int) (string, error) {
	raw := make([]byte, n)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)
	return prefix + strings.ToLower(text), nil
}
