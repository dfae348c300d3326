package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Two roles work on the database. The owner makes the tables, and is connected for migrations only. The
// application role has the privileges that the running program needs and no more: it owns nothing, it can neither make
// nor change a table, and of the audit log it can only read and append. Whoever could run a statement of
// their own through us, or take a connection of ours over, cannot become the owner: the connection was
// opened as the application role, so there is nothing to reset.
//
// Given the owner's DSN, we open connections as the role named after the database, whose password is
// derived from the owner's. Given any other DSN, its role is the application role, made by whoever runs
// the database as a member of the former.

// applicationSuffix makes the name of the application role from that of the database.
const applicationSuffix = "_app"

const (
	maxRoleName     = 63 // bytes, of Postgres
	scramIterations = 4096
)

// standing is the rank of a DSN's role in its database.
type standing struct {
	user, database string
	super          bool
	made           bool // the schema is there
	owns           bool // and the role may act as its owner
	creates        bool // the role may make tables
}

func (s *standing) owner() bool { return s.super || (s.made && s.owns) || (!s.made && s.creates) }

func standingOf(ctx context.Context, conn *pgx.Conn) (s standing, err error) {
	err = conn.QueryRow(ctx, `SELECT current_user, current_database(), (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
			to_regclass('audit_log') IS NOT NULL,
			coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('audit_log')), false),
			coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)`).
		Scan(&s.user, &s.database, &s.super, &s.made, &s.owns, &s.creates)
	if err != nil {
		return s, fmt.Errorf("ask for the standing of the role: %w", err)
	}
	return s, nil
}

// ApplicationConfig says how the program connects, given the owner's DSN: as the application role.
func ApplicationConfig(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errUnreadable()
	}
	return config, asApplication(config, config.Database)
}

// asApplication turns the owner's configuration into the application role's.
func asApplication(config *pgx.ConnConfig, database string) error {
	name := database + applicationSuffix
	if len(name) > maxRoleName {
		return fmt.Errorf("the name of database %s is too long for a role named after it: give the DSN of an application role, see docs/operations", database)
	}
	config.Database = database
	config.Password = applicationPassword(config.Password, name)
	config.User = name
	return nil
}

// applicationPassword is the same for everybody who knows the owner's password, and tells nothing of it.
func applicationPassword(owners, role string) string {
	mac := hmac.New(sha256.New, []byte(owners))
	mac.Write([]byte("unmogrowp application role\n" + role))
	return hex.EncodeToString(mac.Sum(nil))
}

// scramVerifier is what Postgres stores of a password (RFC 5803), so that neither its logs nor its
// activity view ever see the password itself.
func scramVerifier(password, role string) (string, error) {
	salt := sha256.Sum256([]byte("unmogrowp salt\n" + role))
	salted, err := pbkdf2.Key(sha256.New, password, salt[:16], scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive password: %w", err)
	}
	keyed := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(keyed("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt[:16]), b64(stored[:]), b64(keyed("Server Key"))), nil
}

// becomeApplication makes the pool's configuration that of the application role, if the DSN is the
// owner's. It returns the owner's own configuration then, and nil otherwise.
func becomeApplication(ctx context.Context, config *pgxpool.Config) (*pgx.ConnConfig, error) {
	owner := config.ConnConfig.Copy()
	conn, err := pgx.ConnectConfig(ctx, owner)
	if err != nil {
		return nil, Wrap("reach postgres", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	s, err := standingOf(ctx, conn)
	if err != nil || !s.owner() {
		return nil, err
	}
	if err := asApplication(config.ConnConfig, s.database); err != nil {
		return nil, err
	}
	return owner, admit(ctx, conn, config.ConnConfig)
}

// admit sees to it that the application role can connect: it makes the role, or sets its password,
// unless the role is let in as it is.
func admit(ctx context.Context, owner *pgx.Conn, application *pgx.ConnConfig) error {
	if letIn(ctx, application) == nil {
		return nil
	}
	verifier, err := scramVerifier(application.Password, application.User)
	if err != nil {
		return err
	}
	name := pgx.Identifier{application.User}.Sanitize()
	_, err = owner.Exec(ctx, "CREATE ROLE "+name+" LOGIN PASSWORD '"+verifier+"'")
	if Violates(err, "42710") || Violates(err, "23505") { // it is there, or another node makes it now
		_, err = owner.Exec(ctx, "ALTER ROLE "+name+" LOGIN PASSWORD '"+verifier+"'")
	}
	if err == nil || Violates(err, "XX000") { // another node sets the same password at this moment
		_, err = owner.Exec(ctx, "GRANT CONNECT ON DATABASE "+pgx.Identifier{application.Database}.Sanitize()+" TO "+name)
	}
	if err != nil && !Violates(err, "XX000") {
		return fmt.Errorf("make role %s: %w: let the owner create roles, or make the role and give its DSN instead, see docs/operations", application.User, err)
	}
	if err := letIn(ctx, application); err != nil {
		return fmt.Errorf("connect as role %s: %w: let it in by pg_hba.conf like the owner, or give the DSN of an application role, see docs/operations", application.User, err)
	}
	return nil
}

func letIn(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Check verifies the ground of the audit log and of the app boundary: that the role that we are connected
// as owns nothing and can neither rewrite the audit log nor make tables. It verifies too that we have the
// master key in force. A node must not start when it fails.
func (a *Pool) Check(ctx context.Context) error {
	var user string
	var super, owns, rewrites, reads, creates, open bool
	err := a.pool.QueryRow(ctx, `SELECT current_user, r.rolsuper OR r.rolbypassrls,
			EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE')),
			has_table_privilege('audit_log', 'UPDATE, DELETE, TRUNCATE, TRIGGER') OR has_table_privilege('audit_heads', 'UPDATE, DELETE, TRUNCATE, TRIGGER'),
			has_table_privilege('audit_log', 'SELECT') AND has_table_privilege('audit_log', 'INSERT'),
			has_schema_privilege(current_schema(), 'CREATE'),
			EXISTS (SELECT FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND NOT c.attisdropped
				WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relrowsecurity
				AND (c.attname IN ('app', 'app_id') OR t.relname = 'apps') AND has_table_privilege(t.oid, 'SELECT'))
		FROM pg_roles r WHERE r.rolname = current_user`).Scan(&user, &super, &owns, &rewrites, &reads, &creates, &open)
	if Violates(err, "42P01") {
		return errors.New("check Postgres: the tables are missing: run aggregator migrate with the owner's DSN")
	}
	if err != nil {
		return Wrap("check the application role", err)
	}
	var faults []error
	for _, f := range []struct {
		there bool
		what  string
	}{
		{super, "is a superuser or bypasses row-level security"},
		{owns, "owns tables"},
		{rewrites, "may rewrite the audit log"},
		{!reads, "may not use the tables: run aggregator migrate as their owner"},
		{open, "sees tables of apps that have no row-level security: run aggregator migrate as their owner"},
		{creates, "may make tables: REVOKE CREATE ON SCHEMA public FROM PUBLIC"},
	} {
		if f.there {
			faults = append(faults, fmt.Errorf("check Postgres: role %s %s", user, f.what))
		}
	}
	return errors.Join(append(faults, a.checkKeys(ctx))...)
}

// wall gives the application role its rights, and row-level security to every table of apps. It
// changes nothing that is right already: it runs at every start, beside nodes that work.
func wall(ctx context.Context, owner *pgx.Conn) error {
	s, err := standingOf(ctx, owner)
	if err != nil {
		return err
	}
	statements, err := migrations.ReadFile("walls.sql")
	if err != nil {
		return fmt.Errorf("find walls: %w", err)
	}
	return pgx.BeginTxFunc(ctx, owner, pgx.TxOptions{}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('unmogrowp walls')), set_config('unmogrowp.role', $1, true)`, s.database+applicationSuffix)
		if err != nil {
			return fmt.Errorf("lock walls: %w", err)
		}
		if _, err := tx.Exec(ctx, string(statements)); err != nil {
			return fmt.Errorf("build walls: %w", err)
		}
		return nil
	})
}

// migrated returns an error unless every migration in the files has been applied.
func (a *Pool) migrated(ctx context.Context, files fs.FS) error {
	sources, err := goose.NewProvider(goose.DialectPostgres, stdlib.OpenDB(*a.config), files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	defer sources.Close()
	var have []int64
	err = a.pool.QueryRow(ctx, `SELECT coalesce(array_agg(version_id), '{}') FROM goose_db_version WHERE is_applied`).Scan(&have)
	if err != nil {
		return fmt.Errorf("read schema version: %w: run aggregator migrate with the owner's DSN", err)
	}
	for _, source := range sources.ListSources() {
		if !slices.Contains(have, source.Version) {
			return fmt.Errorf("migration %s is missing, and this role does not own the tables: run aggregator migrate with the owner's DSN", source.Path)
		}
	}
	return nil
}
