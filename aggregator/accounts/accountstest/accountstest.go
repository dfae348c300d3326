// Package accountstest gives tests an open, migrated database and the people and apps in it that they
// begin with.
package accountstest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// MasterKey is a master key, another for each byte.
func MasterKey(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// Open gives an Accounts on a new, migrated database.
func Open(t *testing.T) *accounts.Accounts {
	t.Helper()
	a := OpenDSN(t, childtest.Postgres(t), 1)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// OpenDSN opens a database that exists.
func OpenDSN(t *testing.T, dsn string, key byte) *accounts.Accounts {
	t.Helper()
	a, err := accounts.Open(t.Context(), accounts.Options{DSN: dsn, MasterKey: MasterKey(key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// Exec changes the database behind the back of the code under test, as the tables' owner.
func Exec(t *testing.T, a *accounts.Accounts, sql string, args ...any) {
	t.Helper()
	if err := ExecAsOwner(t, a, sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// ExecAsOwner is Exec that returns its error.
func ExecAsOwner(t *testing.T, a *accounts.Accounts, sql string, args ...any) error {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), a.Owner().Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), sql, args...)
	return err
}

// NewApp makes an app.
func NewApp(t *testing.T, a *accounts.Accounts, name string) apps.App {
	t.Helper()
	app, err := a.Apps.CreateApp(t.Context(), apps.App{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// WantError fails the test if an error is another.
func WantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error is %v, want %v", what, got, want)
	}
}

// GoodPassword is what people of tests log in with.
const GoodPassword = "correct horse battery"

// Owner makes an owner of all apps.
func Owner(t *testing.T, a *accounts.Accounts, email string) people.User {
	t.Helper()
	user, err := a.People.CreateOwner(t.Context(), email, "Owner", GoodPassword)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// As acts as a person.
func As(ctx context.Context, user people.User) context.Context {
	return postgres.WithActor(ctx, postgres.Actor{Kind: "user", ID: user.ID, Apps: access.AppList{All: true}})
}

// Role is a role over apps, over all if none are named.
func Role(r access.Role, apps ...string) access.Assignment {
	return access.Assignment{Role: r, AllApps: len(apps) == 0, Apps: apps}
}

// Lorem is n characters of text.
func Lorem(n int) string {
	return string([]rune(strings.Repeat("über allen gipfeln ist ruh, in allen wipfeln spürest du ", 3))[:n])
}
