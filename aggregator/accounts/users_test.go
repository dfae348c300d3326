package accounts

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

const goodPassword = "correct horse battery"

func owner(t *testing.T, a *Accounts, email string) User {
	t.Helper()
	user, err := a.CreateOwner(t.Context(), email, "Owner", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

func as(ctx context.Context, user User) context.Context {
	return WithActor(ctx, Actor{Kind: "user", ID: user.ID, Apps: access.AppList{All: true}})
}

func role(r access.Role, apps ...string) access.Assignment {
	return access.Assignment{Role: r, AllApps: len(apps) == 0, Apps: apps}
}

// lorem is n characters of text.
func lorem(n int) string {
	return string([]rune(strings.Repeat("über allen gipfeln ist ruh, in allen wipfeln spürest du ", 3))[:n])
}

func TestPasswordsHaveALengthAndNoRuleOfComposition(t *testing.T) {
	for password, good := range map[string]bool{
		"short": false, "12345678901": false, "twelve chars": true, strings.Repeat("ä", 127) + "x": false, lorem(128): true, lorem(129): false,
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff": false,
	} {
		if (ValidPassword(password) == nil) != good {
			t.Errorf("password %q: %v", password, ValidPassword(password))
		}
	}
}

func TestUserLife(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	first := owner(t, a, "  Owner@Example.com ")
	if first.Email != "owner@example.com" || !access.IsOwner(first.Roles) {
		t.Fatalf("owner = %+v", first)
	}
	_, err := a.CreateOwner(ctx, "OWNER@example.com", "Again", goodPassword)
	wantError(t, "second person of one address", err, ErrExists)
	app := newApp(t, a, "Shop")
	want := access.Assignment{Role: access.Viewer, Apps: []string{app.ID}, MediaSources: []string{"mail"}, Countries: []string{"DE"}}
	made, err := a.CreateUser(as(ctx, first), NewUser{Email: "v@example.com", Name: "V", Roles: []access.Assignment{want, role(access.Analyst)}})
	if err != nil {
		t.Fatal(err)
	}
	read, err := a.User(ctx, made.ID)
	if err != nil || len(read.Roles) != 2 || read.Roles[0].Apps[0] != app.ID || read.Roles[0].Countries[0] != "DE" || !read.Roles[1].AllApps {
		t.Fatalf("read back %+v, %v", read, err)
	}
	users, err := a.Users(ctx)
	if err != nil || len(users) != 2 {
		t.Fatalf("users = %v, %v", users, err)
	}
	for name, bad := range map[string]NewUser{
		"address":  {Email: "not an address"},
		"role":     {Email: "x@example.com", Roles: []access.Assignment{{Role: "root", AllApps: true}}},
		"app":      {Email: "x@example.com", Roles: []access.Assignment{role(access.Viewer, "app_nowhere")}},
		"password": {Email: "x@example.com", Password: "short"},
		"name":     {Email: "x@example.com", Name: "a\x00b"},
	} {
		var invalid *InvalidError
		if _, err := a.CreateUser(ctx, bad); !errors.As(err, &invalid) {
			t.Errorf("bad %s: %v", name, err)
		}
	}
	if err := a.DeleteUser(as(ctx, first), made.ID); err != nil {
		t.Fatal(err)
	}
	_, err = a.User(ctx, made.ID)
	wantError(t, "deleted person", err, ErrNotFound)
	wantError(t, "delete of nobody", a.DeleteUser(ctx, "nobody"), ErrNotFound)
}

func TestNobodyChangesWhoHoldsMore(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss := owner(t, a, "o@example.com")
	app := newApp(t, a, "Shop")
	small, err := a.CreateUser(ctx, NewUser{Email: "s@example.com", Roles: []access.Assignment{role(access.Owner, app.ID)}})
	if err != nil {
		t.Fatal(err)
	}
	acting := as(ctx, small)
	_, err = a.SetRoles(acting, small.ID, []access.Assignment{role(access.Owner)})
	wantError(t, "raising oneself", err, ErrNotHeld)
	_, err = a.SetRoles(acting, boss.ID, []access.Assignment{})
	wantError(t, "taking away from above", err, ErrNotHeld)
	_, err = a.CreateUser(acting, NewUser{Email: "n@example.com", Roles: []access.Assignment{role(access.Viewer)}})
	wantError(t, "granting all apps", err, ErrNotHeld)
	password := "another good password"
	_, err = a.UpdateUser(acting, boss.ID, UserChange{Password: &password})
	wantError(t, "setting the password of an owner", err, ErrNotHeld)
	wantError(t, "deleting an owner", a.DeleteUser(acting, boss.ID), ErrNotHeld)
	if _, err = a.CreateUser(acting, NewUser{Email: "n@example.com", Roles: []access.Assignment{role(access.Viewer, app.ID)}}); err != nil {
		t.Errorf("granting what one holds: %v", err)
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	one := owner(t, a, "one@example.com")
	disabled := true
	_, err := a.UpdateUser(as(ctx, one), one.ID, UserChange{Disabled: &disabled})
	wantError(t, "disabling", err, ErrLastOwner)
	_, err = a.SetRoles(as(ctx, one), one.ID, []access.Assignment{role(access.Operator)})
	wantError(t, "demoting", err, ErrLastOwner)
	wantError(t, "deleting", a.DeleteUser(as(ctx, one), one.ID), ErrLastOwner)
	two := owner(t, a, "two@example.com")
	var failed atomic.Int64
	var wg sync.WaitGroup
	for _, user := range []User{one, two} { // each removes the other, at once
		wg.Go(func() {
			if _, err := a.SetRoles(ctx, user.ID, []access.Assignment{role(access.Viewer)}); errors.Is(err, ErrLastOwner) {
				failed.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if failed.Load() != 1 {
		t.Fatalf("%d of 2 demotions were refused, want 1", failed.Load())
	}
}

func TestAHalfMadeChangeLeavesNothing(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	owner(t, a, "o@example.com")
	exec(t, a, `ALTER TABLE audit_log ADD CONSTRAINT no_more CHECK (action <> 'app.create') NOT VALID`)
	if _, err := a.CreateApp(ctx, App{Name: "Shop"}); err == nil {
		t.Fatal("an app was made without an audit entry")
	}
	if apps, err := a.Apps(ctx); err != nil || len(apps) != 0 {
		t.Fatalf("apps = %v, %v", apps, err)
	}
}
