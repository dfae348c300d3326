package people_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestPasswordsHaveALengthAndNoRuleOfComposition(t *testing.T) {
	for password, good := range map[string]bool{
		"short": false, "12345678901": false, "twelve chars": true, strings.Repeat("ä", 127) + "x": false, accountstest.Lorem(128): true, accountstest.Lorem(129): false,
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff": false,
	} {
		if (people.ValidPassword(password) == nil) != good {
			t.Errorf("password %q: %v", password, people.ValidPassword(password))
		}
	}
}

func TestUserLife(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	first := accountstest.Owner(t, a, "  Owner@Example.com ")
	if first.Email != "owner@example.com" || !access.IsOwner(first.Roles) {
		t.Fatalf("owner = %+v", first)
	}
	_, err := a.People.CreateOwner(ctx, "OWNER@example.com", "Again", accountstest.GoodPassword)
	accountstest.WantError(t, "second person of one address", err, postgres.ErrExists)
	app := accountstest.NewApp(t, a, "Shop")
	want := access.Assignment{Role: access.Viewer, Apps: []string{app.ID}, MediaSources: []string{"mail"}, Countries: []string{"DE"}}
	made, err := a.People.CreateUser(accountstest.As(ctx, first), people.NewUser{Email: "v@example.com", Name: "V", Roles: []access.Assignment{want, accountstest.Role(access.Analyst)}})
	if err != nil {
		t.Fatal(err)
	}
	read, err := a.People.User(ctx, made.ID)
	if err != nil || len(read.Roles) != 2 || read.Roles[0].Apps[0] != app.ID || read.Roles[0].Countries[0] != "DE" || !read.Roles[1].AllApps {
		t.Fatalf("read back %+v, %v", read, err)
	}
	users, err := a.People.Users(ctx)
	if err != nil || len(users) != 2 {
		t.Fatalf("users = %v, %v", users, err)
	}
	for name, bad := range map[string]people.NewUser{
		"address":  {Email: "not an address"},
		"role":     {Email: "x@example.com", Roles: []access.Assignment{{Role: "root", AllApps: true}}},
		"app":      {Email: "x@example.com", Roles: []access.Assignment{accountstest.Role(access.Viewer, "app_nowhere")}},
		"password": {Email: "x@example.com", Password: "short"},
		"name":     {Email: "x@example.com", Name: "a\x00b"},
	} {
		var invalid *postgres.InvalidError
		if _, err := a.People.CreateUser(ctx, bad); !errors.As(err, &invalid) {
			t.Errorf("bad %s: %v", name, err)
		}
	}
	if err := a.People.DeleteUser(accountstest.As(ctx, first), made.ID); err != nil {
		t.Fatal(err)
	}
	_, err = a.People.User(ctx, made.ID)
	accountstest.WantError(t, "deleted person", err, postgres.ErrNotFound)
	accountstest.WantError(t, "delete of nobody", a.People.DeleteUser(ctx, "nobody"), postgres.ErrNotFound)
}

func TestNobodyChangesWhoHoldsMore(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss := accountstest.Owner(t, a, "o@example.com")
	app := accountstest.NewApp(t, a, "Shop")
	small, err := a.People.CreateUser(ctx, people.NewUser{Email: "s@example.com", Roles: []access.Assignment{accountstest.Role(access.Owner, app.ID)}})
	if err != nil {
		t.Fatal(err)
	}
	acting := accountstest.As(ctx, small)
	_, err = a.People.SetRoles(acting, small.ID, []access.Assignment{accountstest.Role(access.Owner)})
	accountstest.WantError(t, "raising oneself", err, people.ErrNotHeld)
	_, err = a.People.SetRoles(acting, boss.ID, []access.Assignment{})
	accountstest.WantError(t, "taking away from above", err, people.ErrNotHeld)
	_, err = a.People.CreateUser(acting, people.NewUser{Email: "n@example.com", Roles: []access.Assignment{accountstest.Role(access.Viewer)}})
	accountstest.WantError(t, "granting all apps", err, people.ErrNotHeld)
	password := "another good password"
	_, err = a.People.UpdateUser(acting, boss.ID, people.UserChange{Password: &password})
	accountstest.WantError(t, "setting the password of an owner", err, people.ErrNotHeld)
	accountstest.WantError(t, "deleting an owner", a.People.DeleteUser(acting, boss.ID), people.ErrNotHeld)
	if _, err = a.People.CreateUser(acting, people.NewUser{Email: "n@example.com", Roles: []access.Assignment{accountstest.Role(access.Viewer, app.ID)}}); err != nil {
		t.Errorf("granting what one holds: %v", err)
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	one := accountstest.Owner(t, a, "one@example.com")
	disabled := true
	_, err := a.People.UpdateUser(accountstest.As(ctx, one), one.ID, people.UserChange{Disabled: &disabled})
	accountstest.WantError(t, "disabling", err, people.ErrLastOwner)
	_, err = a.People.SetRoles(accountstest.As(ctx, one), one.ID, []access.Assignment{accountstest.Role(access.Operator)})
	accountstest.WantError(t, "demoting", err, people.ErrLastOwner)
	accountstest.WantError(t, "deleting", a.People.DeleteUser(accountstest.As(ctx, one), one.ID), people.ErrLastOwner)
	two := accountstest.Owner(t, a, "two@example.com")
	var failed atomic.Int64
	var wg sync.WaitGroup
	for _, user := range []people.User{one, two} { // each removes the other, at once
		wg.Go(func() {
			if _, err := a.People.SetRoles(ctx, user.ID, []access.Assignment{accountstest.Role(access.Viewer)}); errors.Is(err, people.ErrLastOwner) {
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
	a := accountstest.Open(t)
	ctx := t.Context()
	accountstest.Owner(t, a, "o@example.com")
	accountstest.Exec(t, a, `ALTER TABLE audit_log ADD CONSTRAINT no_more CHECK (action <> 'app.create') NOT VALID`)
	if _, err := a.Apps.CreateApp(ctx, apps.App{Name: "Shop"}); err == nil {
		t.Fatal("an app was made without an audit entry")
	}
	if apps, err := a.Apps.List(ctx); err != nil || len(apps) != 0 {
		t.Fatalf("apps = %v, %v", apps, err)
	}
}
