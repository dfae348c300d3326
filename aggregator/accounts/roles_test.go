package accounts

import (
	"errors"
	"sync"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

func TestCustomRoleLife(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	acting, app := as(ctx, owner(t, a, "o@example.com")), newApp(t, a, "Shop")
	clerk, err := a.CreateRole(acting, Role{Name: "clerk", Description: "Pays", Permissions: []access.Permission{access.CostsWrite, access.AppsRead, access.AppsRead}})
	if err != nil || len(clerk.Permissions) != 2 || clerk.Permissions[0] != access.AppsRead {
		t.Fatalf("role = %+v, %v", clerk, err)
	}
	_, err = a.CreateRole(acting, clerk)
	wantError(t, "the same name", err, ErrExists)
	ann, err := a.CreateUser(acting, NewUser{Email: "ann@example.com", Password: goodPassword, Roles: []access.Assignment{role("clerk", app.ID)}})
	if err != nil || !access.Can(ann.Principal(), access.CostsWrite, app.ID) || access.Can(ann.Principal(), access.ReportsRead, app.ID) {
		t.Fatalf("clerk = %+v, %v", ann, err)
	}
	session, _, err := a.Login(ctx, Login{Email: ann.Email, Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	clerk.Permissions = []access.Permission{access.ReportsRead}
	if _, err := a.UpdateRole(acting, clerk); err != nil {
		t.Fatal(err)
	}
	session, err = a.Session(ctx, session.ID)
	if p := session.User.Principal(); err != nil || access.Can(p, access.CostsWrite, app.ID) || !access.Can(p, access.ReportsRead, app.ID) {
		t.Errorf("after the change: %+v, %v", session.User.Roles, err)
	}
	wantError(t, "deleting a role in use", a.DeleteRole(acting, "clerk"), ErrRoleInUse)
	if _, err := a.SetRoles(acting, ann.ID, []access.Assignment{}); err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteRole(acting, "clerk"); err != nil {
		t.Fatal(err)
	}
	var bad *InvalidError
	if _, err := a.SetRoles(acting, ann.ID, []access.Assignment{role("clerk")}); !errors.As(err, &bad) {
		t.Errorf("giving a role that is gone: %v", err)
	}
	wantError(t, "changing a role that is gone", second(a.UpdateRole(acting, clerk)), ErrNotFound)
	if roles, err := a.Roles(ctx); err != nil || len(roles) != len(access.Roles()) {
		t.Errorf("roles = %+v, %v", roles, err)
	}
	for name, wrong := range map[string]Role{
		"built-in": {Name: access.Viewer, Permissions: access.Permissions()}, "name": {Name: "A b", Permissions: access.Permissions()},
		"nothing": {Name: "empty"}, "permission": {Name: "fly", Permissions: []access.Permission{"apps.fly"}},
	} {
		if _, err := a.CreateRole(acting, wrong); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.DeleteRole(acting, access.Viewer); !errors.As(err, &bad) {
		t.Errorf("deleting a built-in role: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestNobodyDefinesARoleAboveThemselves(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss, app := owner(t, a, "o@example.com"), newApp(t, a, "Shop")
	steward := []access.Permission{access.UsersManage, access.UsersRead, access.AppsRead}
	if _, err := a.CreateRole(as(ctx, boss), Role{Name: "steward", Permissions: steward}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.CreateRole(as(ctx, boss), Role{Name: "reader", Permissions: []access.Permission{access.RawRead}}); err != nil {
		t.Fatal(err)
	}
	ann, err := a.CreateUser(as(ctx, boss), NewUser{Email: "ann@example.com", Roles: []access.Assignment{role("steward")}})
	if err != nil {
		t.Fatal(err)
	}
	acting := as(ctx, ann)
	wantError(t, "creating", second(a.CreateRole(acting, Role{Name: "big", Permissions: []access.Permission{access.RawRead}})), ErrNotHeld)
	wantError(t, "raising one's own role", second(a.UpdateRole(acting, Role{Name: "steward", Permissions: append(steward, access.RawRead)})), ErrNotHeld)
	wantError(t, "lowering another", second(a.UpdateRole(acting, Role{Name: "reader", Permissions: steward})), ErrNotHeld)
	wantError(t, "deleting another", a.DeleteRole(acting, "reader"), ErrNotHeld)
	wantError(t, "giving another", second(a.SetRoles(acting, ann.ID, []access.Assignment{role("reader", app.ID)})), ErrNotHeld)
	wantError(t, "giving a built-in one", second(a.SetRoles(acting, ann.ID, []access.Assignment{role(access.Viewer)})), ErrNotHeld)
	if _, err := a.CreateRole(acting, Role{Name: "small", Permissions: []access.Permission{access.AppsRead}}); err != nil {
		t.Errorf("creating what one holds: %v", err)
	}
	if _, err := a.CreateUser(acting, NewUser{Email: "b@example.com", Roles: []access.Assignment{role("small", app.ID), role("steward")}}); err != nil {
		t.Errorf("giving what one holds: %v", err)
	}
	forged := role("small", app.ID)
	forged.Granted = access.Permissions()
	made, err := a.CreateUser(acting, NewUser{Email: "c@example.com", Roles: []access.Assignment{forged}})
	if err != nil || access.Can(made.Principal(), access.RawRead, app.ID) {
		t.Errorf("what comes with an assignment is believed: %+v, %v", made, err)
	}
}

func TestARoleIsNotDeletedWhileItIsGiven(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss := owner(t, a, "o@example.com")
	ann, err := a.CreateUser(ctx, NewUser{Email: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := a.CreateRole(as(ctx, boss), Role{Name: "brief", Permissions: []access.Permission{access.AppsRead}}); err != nil {
			t.Fatal(err)
		}
		var given, deleted error
		var wg sync.WaitGroup
		wg.Go(func() { given = second(a.SetRoles(as(ctx, boss), ann.ID, []access.Assignment{role("brief")})) })
		wg.Go(func() { deleted = a.DeleteRole(as(ctx, boss), "brief") })
		wg.Wait()
		if (given == nil) == (deleted == nil) {
			t.Fatalf("given: %v, deleted: %v; want one of both", given, deleted)
		}
		if given == nil {
			if _, err := a.SetRoles(as(ctx, boss), ann.ID, []access.Assignment{}); err != nil {
				t.Fatal(err)
			}
			if err := a.DeleteRole(as(ctx, boss), "brief"); err != nil {
				t.Fatal(err)
			}
		}
	}
}
