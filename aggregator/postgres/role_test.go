package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// wantDenied wants that the role as which the program runs may not run a statement.
func wantDenied(t *testing.T, a *accounts.Accounts, sql string) {
	t.Helper()
	if _, err := a.Pool.Exec(t.Context(), sql); !postgres.Violates(err, "42501") {
		t.Errorf("%s as the application: %v, want permission denied", sql, err)
	}
}

func TestTheProgramOwnsNothing(t *testing.T) {
	a := accountstest.Open(t)
	if err := a.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`UPDATE audit_log SET actor = 'x'`, `DELETE FROM audit_log`, `TRUNCATE audit_log`, `TRUNCATE audit_heads`, `UPDATE audit_heads SET seq = 1`,
		`DELETE FROM audit_head`, `TRUNCATE audit_head`, `INSERT INTO audit_head (only_row, seq, hash) VALUES (true, 1, '')`,
		`ALTER TABLE audit_log DISABLE TRIGGER ALL`, `DROP TRIGGER audit_log_rows ON audit_log`, `ALTER TABLE audit_log OWNER TO CURRENT_USER`,
		`CREATE OR REPLACE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
		`SET session_replication_role = replica`, `DROP TABLE audit_log`, `CREATE TABLE mine (x int)`, `CREATE TEMP TABLE mine (x int)`,
		`CREATE SCHEMA mine`, `CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`, `CREATE ROLE other SUPERUSER`,
		`SELECT pg_read_file('/etc/passwd')`, `COPY users TO PROGRAM 'cat'`, `CREATE EXTENSION dblink`, `UPDATE goose_db_version SET version_id = 1`,
		`TRUNCATE users`, `SELECT * FROM pg_authid`,
	} {
		if _, err := a.Pool.Exec(t.Context(), sql); !postgres.Violates(err, "42501") {
			t.Errorf("%s: %v, want permission denied", sql, err)
		}
	}
	if _, err := a.Pool.Exec(t.Context(), `GRANT UPDATE ON audit_log TO PUBLIC`); err != nil { // a warning: nothing is granted
		t.Error(err)
	}
	if _, err := a.Pool.Exec(t.Context(), `SET SESSION AUTHORIZATION `+pgx.Identifier{a.Owner().User}.Sanitize()); !postgres.Violates(err, "42501") {
		t.Errorf("becoming the owner: %v", err)
	}
	if _, err := a.Pool.Exec(t.Context(), `SET ROLE `+pgx.Identifier{a.Owner().User}.Sanitize()); !postgres.Violates(err, "42501") {
		t.Errorf("taking the owner's role: %v", err)
	}
	wantDenied(t, a, `UPDATE audit_log SET actor = 'x'`)
	if v := verify(t, a); !v.Valid {
		t.Errorf("%+v", v)
	}
}

// TestAMemberOfTheApplicationRole is how an operator runs it whose program must not know the owner.
func TestAMemberOfTheApplicationRole(t *testing.T) {
	dsn := childtest.Postgres(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	role := database + "_member"
	owner, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.WithoutCancel(t.Context()))
	for _, sql := range []string{`CREATE ROLE ` + database + `_app NOLOGIN`, `CREATE ROLE ` + role + ` LOGIN PASSWORD 'a member' IN ROLE ` + database + `_app`} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), `DROP ROLE `+role); err != nil {
			t.Error(err)
		}
	})
	u.User = url.UserPassword(role, "a member")
	a := accountstest.OpenDSN(t, u.String(), 1)
	if err := a.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "run aggregator migrate") {
		t.Errorf("migrating as a member: %v", err)
	}
	if err := accountstest.OpenDSN(t, dsn, 1).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Migrate(t.Context()); err != nil {
		t.Errorf("a member finds that all is migrated: %v", err)
	}
	if err := a.Check(t.Context()); err != nil {
		t.Error(err)
	}
	accountstest.NewApp(t, a, "of a member")
	wantDenied(t, a, `UPDATE audit_log SET actor = 'x'`)
	wantDenied(t, a, `CREATE TABLE mine (x int)`)
}

// TestAnOwnerWhoIsNoSuperuser has the owner of a managed Postgres: a role that owns the database and may make
// roles.
func TestAnOwnerWhoIsNoSuperuser(t *testing.T) {
	dsn := childtest.Postgres(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	super, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(context.WithoutCancel(t.Context()))
	role := database + "_owner"
	for _, sql := range []string{`CREATE ROLE ` + role + ` LOGIN CREATEROLE PASSWORD 'an owner'`, `ALTER DATABASE ` + database + ` OWNER TO ` + role} {
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	u.User = url.UserPassword(role, "an owner")
	t.Cleanup(func() { // before childtest drops the database
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		for _, sql := range []string{`REASSIGN OWNED BY ` + role + ` TO CURRENT_USER`, `DROP OWNED BY ` + role, `DROP OWNED BY ` + database + `_app`, `DROP ROLE ` + database + `_app`, `DROP ROLE ` + role} {
			if _, err := conn.Exec(context.Background(), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	a := accountstest.OpenDSN(t, u.String(), 1)
	for range 2 {
		if err := a.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Check(t.Context()); err != nil {
		t.Error(err)
	}
	mine, _ := twoApps(t, a)
	if apps, err := a.Apps.List(within(t.Context(), mine)); err != nil || len(apps) != 1 {
		t.Errorf("apps %v, %v", apps, err)
	}
	wantDenied(t, a, `UPDATE audit_log SET actor = 'x'`)
	// Another password of the owner is another of the application role.
	if _, err := super.Exec(t.Context(), `ALTER ROLE `+role+` PASSWORD 'another'`); err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "another")
	if err := accountstest.OpenDSN(t, u.String(), 1).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestManyNodesMakeTheRoleAtOnce(t *testing.T) {
	dsn := childtest.Postgres(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			a, err := accounts.Open(t.Context(), accounts.Options{DSN: dsn, MasterKey: accountstest.MasterKey(1)})
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Close()
			if err := a.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			if err := a.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestCheckRefusesARoleThatCouldRewriteTheLog wants the fault named when somebody opened a wall.
func TestCheckRefusesARoleThatCouldRewriteTheLog(t *testing.T) {
	a := accountstest.Open(t)
	role := pgx.Identifier{a.Config().User}.Sanitize()
	for _, c := range []struct{ open, shut, says string }{
		{`GRANT DELETE ON audit_log TO ` + role, `REVOKE DELETE ON audit_log FROM ` + role, "rewrite the audit log"},
		{`ALTER ROLE ` + role + ` SUPERUSER`, `ALTER ROLE ` + role + ` NOSUPERUSER`, "superuser"},
		{`ALTER ROLE ` + role + ` BYPASSRLS`, `ALTER ROLE ` + role + ` NOBYPASSRLS`, "bypasses"},
		{`ALTER TABLE links OWNER TO ` + role, `ALTER TABLE links OWNER TO CURRENT_USER`, "owns tables"},
		{`GRANT CREATE ON SCHEMA public TO PUBLIC`, `REVOKE CREATE ON SCHEMA public FROM PUBLIC`, "make tables"},
	} {
		accountstest.Exec(t, a, c.open)
		if err := a.Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.open, err)
		}
		accountstest.Exec(t, a, c.shut)
	}
	if err := a.Migrate(t.Context()); err != nil { // mends any fault that it can
		t.Fatal(err)
	}
	if err := a.Check(t.Context()); err != nil {
		t.Errorf("all shut: %v", err)
	}
}
