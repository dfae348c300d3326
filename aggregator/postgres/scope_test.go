package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// within is a context of somebody for whom only these apps exist.
func within(ctx context.Context, apps ...string) context.Context {
	return postgres.WithActor(ctx, postgres.Actor{Kind: "user", ID: "somebody", Apps: access.AppList{IDs: apps}})
}

// twoApps are apps with a key and a link each.
func twoApps(t *testing.T, a *accounts.Accounts) (mine, theirs string) {
	t.Helper()
	for i, name := range []string{"mine", "theirs"} {
		app := accountstest.NewApp(t, a, name)
		if _, _, err := a.Apps.CreateKey(t.Context(), app.ID, "client", name); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Apps.CreateLink(t.Context(), apps.Link{App: app.ID, Slug: name, MediaSource: "x", Fallback: "https://example.com/"}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			mine = app.ID
		} else {
			theirs = app.ID
		}
	}
	return mine, theirs
}

// appTables are the tables that have an app, with the column that names it.
func appTables(t *testing.T, a *accounts.Accounts) map[string]string {
	t.Helper()
	tables := map[string]string{"apps": "id"}
	rows, err := a.Pool.Query(t.Context(), `SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attname IN ('app', 'app_id') AND NOT a.attisdropped`)
	if err != nil {
		t.Fatal(err)
	}
	var table, column string
	if _, err := pgx.ForEachRow(rows, []any{&table, &column}, func() error { tables[table] = column; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(tables) < 5 {
		t.Fatalf("only %v", tables)
	}
	return tables
}

// TestRawSQLSeesOnlyTheAppsOfItsTransaction asks past every query of ours.
func TestRawSQLSeesOnlyTheAppsOfItsTransaction(t *testing.T) {
	a := accountstest.Open(t)
	mine, theirs := twoApps(t, a)
	for table, column := range appTables(t, a) {
		err := a.Change(within(t.Context(), mine), "look", func(tx pgx.Tx) error {
			var foreign int
			err := tx.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE `+column+` IS DISTINCT FROM $1`, mine).Scan(&foreign)
			if err == nil && foreign != 0 {
				err = fmt.Errorf("%d rows of other apps", foreign)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", table, err)
		}
	}
	for _, sql := range []string{
		`UPDATE apps SET name = 'taken'`, `UPDATE links SET fallback = 'https://evil.example/'`, `UPDATE app_keys SET revoked_at = now()`,
		`UPDATE app_settings SET created_by = 'x'`, `DELETE FROM links`, `DELETE FROM app_settings`, `DELETE FROM app_keys`,
	} {
		before := rowsOf(t, a, theirs)
		err := a.Change(within(t.Context(), mine), "change", func(tx pgx.Tx) error {
			done, err := tx.Exec(t.Context(), sql)
			if err == nil && done.RowsAffected() != 1 {
				err = fmt.Errorf("%d rows", done.RowsAffected())
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v, want the one row of the own app", sql, err)
		}
		if after := rowsOf(t, a, theirs); after != before {
			t.Errorf("%s changed the other app from %s to %s", sql, before, after)
		}
	}
	for _, sql := range []string{
		`UPDATE apps SET id = $1`, `INSERT INTO apps (id, name, currency, timezone) VALUES ($1 || 'x', 'new', 'EUR', 'UTC')`,
		`INSERT INTO links (id, slug, app, media_source, fallback) VALUES ('l', 'l', $1, 'x', 'https://example.com/')`,
		`INSERT INTO app_keys (id, app, name, kind, prefix, hash) VALUES ('k', $1, 'x', 'server', 'x', 'x')`,
		`INSERT INTO app_settings (app, generation, settings, valid_from, created_by) VALUES ($1, 99, '{}', now(), 'x')`,
	} {
		err := a.Change(within(t.Context(), mine), "put", func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), sql, theirs); return err })
		if !postgres.Violates(err, "42501") || !strings.Contains(err.Error(), "row-level security") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// rowsOf is all that is stored of an app.
func rowsOf(t *testing.T, a *accounts.Accounts, app string) (all string) {
	t.Helper()
	err := a.Pool.QueryRow(t.Context(), `SELECT (SELECT string_agg(x::text, ' ') FROM apps x WHERE id = $1) || (SELECT string_agg(x::text, ' ') FROM links x WHERE app = $1)
		|| (SELECT string_agg(x::text, ' ') FROM app_keys x WHERE app = $1) || (SELECT string_agg(x::text, ' ') FROM app_settings x WHERE app = $1)`, app).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestNothingSaidMeansNoApp is the rule for whoever forgets the scope.
func TestNothingSaidMeansNoApp(t *testing.T) {
	a := accountstest.Open(t)
	mine, _ := twoApps(t, a)
	conn, err := pgx.ConnectConfig(t.Context(), a.Config().Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	tables := appTables(t, a)
	count := func(when string, want int) {
		t.Helper()
		for table := range tables {
			var n int
			if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != want {
				t.Errorf("%s: %s has %d rows, %v", when, table, n, err)
			}
		}
	}
	count("nothing was ever set", 0)
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), postgres.SetScope, postgres.EveryApp)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	count("the setting ended with its transaction", 0)
	for _, scope := range []string{"", ",", ",,", mine[:len(mine)-1], "**", ", *", ",*,", "%", "{" + mine + "}"} {
		if _, err := conn.Exec(t.Context(), `SELECT set_config('unmogrowp.apps', $1, false)`, scope); err != nil {
			t.Fatal(err)
		}
		count(fmt.Sprintf("scope %q", scope), 0)
	}
	if apps, err := a.Apps.List(within(t.Context())); err != nil || len(apps) != 0 {
		t.Errorf("an actor without apps sees %v, %v", apps, err)
	}
	_, err = a.Apps.App(within(t.Context(), mine+","+mine, "x,*,y", "*", ""), mine)
	accountstest.WantError(t, "ids that would be lists", err, postgres.ErrNotFound)
}

// TestAConnectionForgetsForWhomItWorked puts all of a crowd onto one connection.
func TestAConnectionForgetsForWhomItWorked(t *testing.T) {
	dsn := childtest.Postgres(t)
	if err := accountstest.OpenDSN(t, dsn, 1).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, err := accounts.Open(t.Context(), accounts.Options{DSN: dsn, MasterKey: accountstest.MasterKey(1), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	mine, theirs := twoApps(t, a)
	sees := func(ctx context.Context) []string {
		apps, err := a.Apps.List(ctx)
		if err != nil {
			t.Error(err)
		}
		var ids []string
		for _, app := range apps {
			ids = append(ids, app.ID)
		}
		slices.Sort(ids)
		return ids
	}
	both := []string{mine, theirs}
	slices.Sort(both)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				for _, c := range []struct {
					ctx  context.Context
					want []string
				}{{t.Context(), both}, {within(t.Context(), mine), []string{mine}}, {within(t.Context()), nil}, {within(t.Context(), theirs), []string{theirs}}} {
					if got := sees(c.ctx); !slices.Equal(got, c.want) {
						t.Errorf("apps %v, want %v", got, c.want)
					}
				}
			}
		})
	}
	wg.Wait()
	// What fails, or is given up half-way, leaves nothing behind either.
	failed := errors.New("failed")
	if err := a.Change(t.Context(), "fail", func(pgx.Tx) error { return failed }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	if err := a.Change(cancelled, "be cancelled", func(tx pgx.Tx) error { cancel(); return cancelled.Err() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := a.Pool.Query(t.Context(), `SELECT no_such_column FROM apps`); err == nil {
		t.Fatal("no error")
	}
	var seen int
	if err := a.Unscoped().QueryRow(t.Context(), `SELECT count(*) FROM apps`).Scan(&seen); err != nil || seen != 0 {
		t.Errorf("a statement without a scope sees %d apps, %v", seen, err)
	}
}

// TestLimitsCountEveryApp: what somebody may not see counts.
func TestLimitsCountEveryApp(t *testing.T) {
	a := accountstest.Open(t)
	mine, theirs := twoApps(t, a)
	accountstest.Exec(t, a, `INSERT INTO links (id, slug, app, media_source, fallback) SELECT 'l' || n, 'l' || n, $1, 'x', 'https://example.com/' FROM generate_series(1, $2) n`, theirs, apps.MaxLinks)
	var bad *postgres.InvalidError
	_, err := a.Apps.CreateLink(within(t.Context(), mine), apps.Link{App: mine, MediaSource: "x", Fallback: "https://example.com/"})
	if !errors.As(err, &bad) {
		t.Errorf("one link too many: %v", err)
	}
	_, err = a.Apps.CreateLink(within(t.Context(), mine), apps.Link{App: theirs, MediaSource: "x", Fallback: "https://example.com/"})
	accountstest.WantError(t, "a link of another app", err, postgres.ErrNotFound)
}

// TestTheScopeComesBackAfterWhatIsCountedOverAllApps: in the same transaction.
func TestTheScopeComesBackAfterWhatIsCountedOverAllApps(t *testing.T) {
	a := accountstest.Open(t)
	mine, _ := twoApps(t, a)
	ctx := within(t.Context(), mine)
	seen := func(tx pgx.Tx) (n int) {
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM apps`).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	err := a.Change(ctx, "look", func(tx pgx.Tx) error {
		err := postgres.ForEveryApp(ctx, tx, func() error {
			if n := seen(tx); n != 2 {
				t.Errorf("%d apps are seen with the scope lifted, want 2", n)
			}
			return nil
		})
		if n := seen(tx); n != 1 {
			t.Errorf("%d apps are seen afterwards, want 1", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
