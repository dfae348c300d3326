package people_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestCustomRoleLife(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	acting, app := accountstest.As(ctx, accountstest.Owner(t, a, "o@example.com")), accountstest.NewApp(t, a, "Shop")
	clerk, err := a.People.CreateRole(acting, people.Role{Name: "clerk", Description: "Pays", Permissions: []access.Permission{access.CostsWrite, access.AppsRead, access.AppsRead}})
	if err != nil || len(clerk.Permissions) != 2 || clerk.Permissions[0] != access.AppsRead {
		t.Fatalf("role = %+v, %v", clerk, err)
	}
	_, err = a.People.CreateRole(acting, clerk)
	accountstest.WantError(t, "the same name", err, postgres.ErrExists)
	ann, err := a.People.CreateUser(acting, people.NewUser{Email: "ann@example.com", Password: accountstest.GoodPassword, Roles: []access.Assignment{accountstest.Role("clerk", app.ID)}})
	if err != nil || !access.Can(ann.Principal(), access.CostsWrite, app.ID) || access.Can(ann.Principal(), access.ReportsRead, app.ID) {
		t.Fatalf("clerk = %+v, %v", ann, err)
	}
	session, _, err := a.Logins.Login(ctx, people.Login{Email: ann.Email, Password: accountstest.GoodPassword})
	if err != nil {
		t.Fatal(err)
	}
	clerk.Permissions = []access.Permission{access.ReportsRead}
	if _, err := a.People.UpdateRole(acting, clerk); err != nil {
		t.Fatal(err)
	}
	session, err = a.Logins.Session(ctx, session.ID)
	if p := session.User.Principal(); err != nil || access.Can(p, access.CostsWrite, app.ID) || !access.Can(p, access.ReportsRead, app.ID) {
		t.Errorf("after the change: %+v, %v", session.User.Roles, err)
	}
	accountstest.WantError(t, "deleting a role in use", a.People.DeleteRole(acting, "clerk"), people.ErrRoleInUse)
	if _, err := a.People.SetRoles(acting, ann.ID, []access.Assignment{}); err != nil {
		t.Fatal(err)
	}
	if err := a.People.DeleteRole(acting, "clerk"); err != nil {
		t.Fatal(err)
	}
	var bad *postgres.InvalidError
	if _, err := a.People.SetRoles(acting, ann.ID, []access.Assignment{accountstest.Role("clerk")}); !errors.As(err, &bad) {
		t.Errorf("giving a role that is gone: %v", err)
	}
	accountstest.WantError(t, "changing a role that is gone", second(a.People.UpdateRole(acting, clerk)), postgres.ErrNotFound)
	if roles, err := a.People.Roles(ctx); err != nil || len(roles) != len(access.Roles()) {
		t.Errorf("roles = %+v, %v", roles, err)
	}
	for name, wrong := range map[string]people.Role{
		"built-in": {Name: access.Viewer, Permissions: access.Permissions()}, "name": {Name: "A b", Permissions: access.Permissions()},
		"nothing": {Name: "empty"}, "permission": {Name: "fly", Permissions: []access.Permission{"apps.fly"}},
	} {
		if _, err := a.People.CreateRole(acting, wrong); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.People.DeleteRole(acting, access.Viewer); !errors.As(err, &bad) {
		t.Errorf("deleting a built-in role: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestNobodyDefinesARoleAboveThemselves(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss, app := accountstest.Owner(t, a, "o@example.com"), accountstest.NewApp(t, a, "Shop")
	steward := []access.Permission{access.UsersManage, access.UsersRead, access.AppsRead}
	if _, err := a.People.CreateRole(accountstest.As(ctx, boss), people.Role{Name: "steward", Permissions: steward}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.People.CreateRole(accountstest.As(ctx, boss), people.Role{Name: "reader", Permissions: []access.Permission{access.RawRead}}); err != nil {
		t.Fatal(err)
	}
	ann, err := a.People.CreateUser(accountstest.As(ctx, boss), people.NewUser{Email: "ann@example.com", Roles: []access.Assignment{accountstest.Role("steward")}})
	if err != nil {
		t.Fatal(err)
	}
	acting := accountstest.As(ctx, ann)
	accountstest.WantError(t, "creating", second(a.People.CreateRole(acting, people.Role{Name: "big", Permissions: []access.Permission{access.RawRead}})), people.ErrNotHeld)
	accountstest.WantError(t, "raising one's own role", second(a.People.UpdateRole(acting, people.Role{Name: "steward", Permissions: append(steward, access.RawRead)})), people.ErrNotHeld)
	accountstest.WantError(t, "lowering another", second(a.People.UpdateRole(acting, people.Role{Name: "reader", Permissions: steward})), people.ErrNotHeld)
	accountstest.WantError(t, "deleting another", a.People.DeleteRole(acting, "reader"), people.ErrNotHeld)
	accountstest.WantError(t, "giving another", second(a.People.SetRoles(acting, ann.ID, []access.Assignment{accountstest.Role("reader", app.ID)})), people.ErrNotHeld)
	accountstest.WantError(t, "giving a built-in one", second(a.People.SetRoles(acting, ann.ID, []access.Assignment{accountstest.Role(access.Viewer)})), people.ErrNotHeld)
	if _, err := a.People.CreateRole(acting, people.Role{Name: "small", Permissions: []access.Permission{access.AppsRead}}); err != nil {
		t.Errorf("creating what one holds: %v", err)
	}
	if _, err := a.People.CreateUser(acting, people.NewUser{Email: "b@example.com", Roles: []access.Assignment{accountstest.Role("small", app.ID), accountstest.Role("steward")}}); err != nil {
		t.Errorf("giving what one holds: %v", err)
	}
	forged := accountstest.Role("small", app.ID)
	forged.Granted = access.Permissions()
	made, err := a.People.CreateUser(acting, people.NewUser{Email: "c@example.com", Roles: []access.Assignment{forged}})
	if err != nil || access.Can(made.Principal(), access.RawRead, app.ID) {
		t.Errorf("what comes with an assignment is believed: %+v, %v", made, err)
	}
}

func TestARoleIsNotDeletedWhileItIsGiven(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss := accountstest.Owner(t, a, "o@example.com")
	ann, err := a.People.CreateUser(ctx, people.NewUser{Email: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := a.People.CreateRole(accountstest.As(ctx, boss), people.Role{Name: "brief", Permissions: []access.Permission{access.AppsRead}}); err != nil {
			t.Fatal(err)
		}
		var given, deleted error
		var wg sync.WaitGroup
		wg.Go(func() {
			given = second(a.People.SetRoles(accountstest.As(ctx, boss), ann.ID, []access.Assignment{accountstest.Role("brief")}))
		})
		wg.Go(func() { deleted = a.People.DeleteRole(accountstest.As(ctx, boss), "brief") })
		wg.Wait()
		if (given == nil) == (deleted == nil) {
			t.Fatalf("given: %v, deleted: %v; want one of both", given, deleted)
		}
		if given == nil {
			if _, err := a.People.SetRoles(accountstest.As(ctx, boss), ann.ID, []access.Assignment{}); err != nil {
				t.Fatal(err)
			}
			if err := a.People.DeleteRole(accountstest.As(ctx, boss), "brief"); err != nil {
				t.Fatal(err)
			}
		}
	}
}
