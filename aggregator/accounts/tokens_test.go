package accounts

import (
	"errors"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

func tokenFor(apps access.AppList, permissions ...access.Permission) NewToken {
	return NewToken{Name: "a script", Permissions: permissions, Apps: apps, ExpiresDays: 30}
}

func allApps() access.AppList { return access.AppList{All: true} }

func TestATokenDoesWhatItsOwnerMayWithinItsLimit(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss, app, other := owner(t, a, "o@example.com"), newApp(t, a, "Shop"), newApp(t, a, "Other")
	ann, err := a.CreateUser(ctx, NewUser{Email: "ann@example.com", Password: goodPassword, Roles: []access.Assignment{role(access.Analyst)}})
	if err != nil {
		t.Fatal(err)
	}
	token, secret, err := a.CreateToken(as(ctx, ann), ann.ID, tokenFor(access.AppList{IDs: []string{app.ID}}, access.ReportsRead, access.RawRead))
	if err != nil || !strings.HasPrefix(secret, token.Prefix) || token.Expires.Sub(token.Created).Hours() != 30*24 || token.LastUsed != nil {
		t.Fatalf("token = %+v, %v", token, err)
	}
	s, err := a.TokenSession(ctx, secret)
	if err != nil || s.User.ID != ann.ID || s.Token.ID != token.ID {
		t.Fatalf("session = %+v, %v", s, err)
	}
	p := s.User.Principal()
	if !access.Can(p, access.RawRead, app.ID) || access.Can(p, access.RawRead, other.ID) || access.Can(p, access.AppsRead, app.ID) {
		t.Errorf("principal = %+v", p)
	}
	if _, err := a.SetRoles(as(ctx, boss), ann.ID, []access.Assignment{role(access.Viewer)}); err != nil {
		t.Fatal(err)
	}
	if s, err = a.TokenSession(ctx, secret); err != nil || access.Can(s.User.Principal(), access.RawRead, app.ID) {
		t.Errorf("a token keeps what its owner lost: %+v, %v", s.User.Roles, err)
	}
	if listed, err := a.Tokens(ctx, ann.ID); err != nil || len(listed) != 1 || listed[0].LastUsed == nil {
		t.Errorf("tokens = %+v, %v", listed, err)
	}
	disabled := true
	if _, err := a.UpdateUser(as(ctx, boss), ann.ID, UserChange{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	_, err = a.TokenSession(ctx, secret)
	wantError(t, "token of a disabled person", err, ErrNotFound)
}

func TestTokensEnd(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss := owner(t, a, "o@example.com")
	make := func() (Token, string) {
		token, secret, err := a.CreateToken(as(ctx, boss), boss.ID, tokenFor(allApps(), access.AppsRead))
		if err != nil {
			t.Fatal(err)
		}
		return token, secret
	}
	token, revoked := make()
	if err := a.RevokeToken(as(ctx, boss), boss.ID, token.ID); err != nil {
		t.Fatal(err)
	}
	wantError(t, "revoking again", a.RevokeToken(as(ctx, boss), boss.ID, token.ID), ErrNotFound)
	token, expired := make()
	exec(t, a, `UPDATE api_tokens SET expires_at = now() WHERE id = $1`, token.ID)
	for name, secret := range map[string]string{"revoked": revoked, "expired": expired, "unknown": TokenPrefix + "abc", "none": "", "of another kind": "wk_" + revoked[3:]} {
		_, err := a.TokenSession(ctx, secret)
		wantError(t, name, err, ErrNotFound)
	}
	if listed, err := a.Tokens(ctx, boss.ID); err != nil || len(listed) != 0 {
		t.Errorf("tokens = %+v, %v", listed, err)
	}
	var leaks int
	err := a.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM audit_log l WHERE l::text LIKE $1) + (SELECT count(*) FROM api_tokens t WHERE t::text LIKE $1)`, "%"+revoked+"%").Scan(&leaks)
	if err != nil || leaks != 0 {
		t.Errorf("%d rows hold a token in the clear, %v", leaks, err)
	}
}

func TestNobodyMakesATokenThatHoldsMore(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss, app, other := owner(t, a, "o@example.com"), newApp(t, a, "Shop"), newApp(t, a, "Other")
	small, err := a.CreateUser(ctx, NewUser{Email: "s@example.com", Roles: []access.Assignment{role(access.Owner, app.ID)}})
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string]NewToken{
		"permission": tokenFor(access.AppList{IDs: []string{other.ID}}, access.AppsRead),
		"app":        tokenFor(access.AppList{IDs: []string{app.ID, other.ID}}, access.AppsRead),
	} {
		_, _, err := a.CreateToken(as(ctx, small), small.ID, wanted)
		wantError(t, name, err, ErrNotHeld)
	}
	var bad *InvalidError
	for name, change := range map[string]func(*NewToken){
		"no name": func(n *NewToken) { n.Name = "" }, "no permission": func(n *NewToken) { n.Permissions = nil },
		"unknown permission": func(n *NewToken) { n.Permissions = []access.Permission{"root"} }, "no apps": func(n *NewToken) { n.Apps = access.AppList{} },
		"for ever": func(n *NewToken) { n.ExpiresDays = 366 }, "expired": func(n *NewToken) { n.ExpiresDays = 0 },
	} {
		wanted := tokenFor(allApps(), access.AppsRead)
		change(&wanted)
		if _, _, err := a.CreateToken(as(ctx, boss), boss.ID, wanted); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := a.CreateToken(as(ctx, boss), small.ID, tokenFor(allApps(), access.AppsRead)); !errors.As(err, &bad) {
		t.Errorf("a token in another person's name: %v", err)
	}
	// Whoever acts through a token holds no more than the token.
	limited := WithActor(ctx, Actor{Kind: "token:x", ID: boss.ID, Limit: &access.Limit{Permissions: []access.Permission{access.UsersManage, access.AppsRead}, Apps: allApps()}})
	_, err = a.CreateUser(limited, NewUser{Email: "n@example.com", Roles: []access.Assignment{role(access.Viewer)}})
	wantError(t, "granting through a token", err, ErrNotHeld)
	_, err = a.SetRoles(limited, boss.ID, []access.Assignment{})
	wantError(t, "taking away through a token", err, ErrNotHeld)
	if _, err := a.CreateUser(limited, NewUser{Email: "n@example.com"}); err != nil {
		t.Errorf("creating somebody without a role through a token: %v", err)
	}
}

func TestServiceAccounts(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss := owner(t, a, "o@example.com")
	acting := as(ctx, boss)
	robot, err := a.CreateUser(acting, NewUser{Kind: Service, Name: "Nightly export", Roles: []access.Assignment{role(access.Analyst)}})
	if err != nil || robot.Email != "" {
		t.Fatalf("robot = %+v, %v", robot, err)
	}
	if _, err := a.CreateUser(acting, NewUser{Kind: Service, Name: "Another"}); err != nil {
		t.Errorf("a second service account: %v", err)
	}
	_, secret, err := a.CreateToken(acting, robot.ID, tokenFor(allApps(), access.RawRead))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := a.TokenSession(ctx, secret); err != nil || s.User.Kind != Service || !access.Anywhere(s.User.Principal(), access.RawRead) {
		t.Errorf("session = %+v, %v", s, err)
	}
	_, _, err = a.CreateToken(acting, robot.ID, tokenFor(allApps(), access.UsersManage))
	wantError(t, "more than the service account holds", err, ErrNotHeld)
	operator, err := a.CreateUser(ctx, NewUser{Email: "op@example.com", Roles: []access.Assignment{role(access.Operator)}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = a.CreateToken(as(ctx, operator), robot.ID, tokenFor(allApps(), access.ReportsRead))
	wantError(t, "a token of whoever holds more", err, ErrNotHeld)
	var bad *InvalidError
	password := goodPassword
	if _, err := a.UpdateUser(acting, robot.ID, UserChange{Password: &password}); !errors.As(err, &bad) {
		t.Errorf("a password: %v", err)
	}
	for _, wrong := range []NewUser{{Kind: Service, Name: "x", Password: goodPassword}, {Kind: Service, Name: "x", Email: "x@example.com"}, {Kind: Service}, {Kind: "robot", Email: "x@example.com"}} {
		if _, err := a.CreateUser(acting, wrong); !errors.As(err, &bad) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	for _, email := range []string{"", "Nightly export"} {
		_, _, err := a.Login(ctx, Login{Email: email, Password: ""})
		wantError(t, "login", err, ErrUnauthorized)
	}
	if _, err := a.SetRoles(acting, robot.ID, []access.Assignment{role(access.Owner)}); err != nil {
		t.Fatal(err)
	}
	wantError(t, "an owner who can log in stays", a.DeleteUser(acting, boss.ID), ErrLastOwner)
}
