package people_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func tokenFor(apps access.AppList, permissions ...access.Permission) people.NewToken {
	return people.NewToken{Name: "a script", Permissions: permissions, Apps: apps, ExpiresDays: 30}
}

func allApps() access.AppList { return access.AppList{All: true} }

func TestATokenDoesWhatItsOwnerMayWithinItsLimit(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss, app, other := accountstest.Owner(t, a, "o@example.com"), accountstest.NewApp(t, a, "Shop"), accountstest.NewApp(t, a, "Other")
	ann, err := a.People.CreateUser(ctx, people.NewUser{Email: "ann@example.com", Password: accountstest.GoodPassword, Roles: []access.Assignment{accountstest.Role(access.Analyst)}})
	if err != nil {
		t.Fatal(err)
	}
	token, secret, err := a.Logins.CreateToken(accountstest.As(ctx, ann), ann.ID, tokenFor(access.AppList{IDs: []string{app.ID}}, access.ReportsRead, access.RawRead))
	if err != nil || !strings.HasPrefix(secret, token.Prefix) || token.Expires.Sub(token.Created).Hours() != 30*24 || token.LastUsed != nil {
		t.Fatalf("token = %+v, %v", token, err)
	}
	s, err := a.Logins.TokenSession(ctx, secret)
	if err != nil || s.User.ID != ann.ID || s.Token.ID != token.ID {
		t.Fatalf("session = %+v, %v", s, err)
	}
	p := s.User.Principal()
	if !access.Can(p, access.RawRead, app.ID) || access.Can(p, access.RawRead, other.ID) || access.Can(p, access.AppsRead, app.ID) {
		t.Errorf("principal = %+v", p)
	}
	if _, err := a.People.SetRoles(accountstest.As(ctx, boss), ann.ID, []access.Assignment{accountstest.Role(access.Viewer)}); err != nil {
		t.Fatal(err)
	}
	if s, err = a.Logins.TokenSession(ctx, secret); err != nil || access.Can(s.User.Principal(), access.RawRead, app.ID) {
		t.Errorf("a token keeps what its owner lost: %+v, %v", s.User.Roles, err)
	}
	if listed, err := a.Logins.Tokens(ctx, ann.ID); err != nil || len(listed) != 1 || listed[0].LastUsed == nil {
		t.Errorf("tokens = %+v, %v", listed, err)
	}
	disabled := true
	if _, err := a.People.UpdateUser(accountstest.As(ctx, boss), ann.ID, people.UserChange{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	_, err = a.Logins.TokenSession(ctx, secret)
	accountstest.WantError(t, "token of a disabled person", err, postgres.ErrNotFound)
}

// TestTokensEndWithThePassword: however the password is set.
func TestTokensEndWithThePassword(t *testing.T) {
	a := accountstest.Open(t)
	boss := accountstest.Owner(t, a, "boss@example.com")
	ctx := accountstest.As(t.Context(), boss)
	const another = "trombone-ladder-fig"
	for name, set := range map[string]func(user string) error{
		"by an owner": func(user string) error {
			password := another
			_, err := a.People.UpdateUser(ctx, user, people.UserChange{Password: &password})
			return err
		},
		"by themselves": func(user string) error {
			_, err := a.People.UpdateSelf(t.Context(), user, "", nil, accountstest.GoodPassword, another)
			return err
		},
		"by a link": func(user string) error {
			link, err := a.People.ResetLink(ctx, user)
			if err != nil {
				return err
			}
			return a.People.Accept(t.Context(), link.Token, another)
		},
	} {
		user := accountstest.Owner(t, a, strings.ReplaceAll(name, " ", "-")+"@example.com")
		_, secret, err := a.Logins.CreateToken(accountstest.As(t.Context(), user), user.ID, people.NewToken{
			Name: "x", Permissions: []access.Permission{access.AppsRead}, Apps: access.AppList{All: true}, ExpiresDays: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Logins.TokenSession(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if err := set(user.ID); err != nil {
			t.Fatal(name, err)
		}
		_, err = a.Logins.TokenSession(t.Context(), secret)
		accountstest.WantError(t, "password set "+name, err, postgres.ErrNotFound)
	}
}

func TestTokensEnd(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss := accountstest.Owner(t, a, "o@example.com")
	make := func() (people.Token, string) {
		token, secret, err := a.Logins.CreateToken(accountstest.As(ctx, boss), boss.ID, tokenFor(allApps(), access.AppsRead))
		if err != nil {
			t.Fatal(err)
		}
		return token, secret
	}
	token, revoked := make()
	if err := a.Logins.RevokeToken(accountstest.As(ctx, boss), boss.ID, token.ID); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "revoking again", a.Logins.RevokeToken(accountstest.As(ctx, boss), boss.ID, token.ID), postgres.ErrNotFound)
	token, expired := make()
	accountstest.Exec(t, a, `UPDATE api_tokens SET expires_at = now() WHERE id = $1`, token.ID)
	for name, secret := range map[string]string{"revoked": revoked, "expired": expired, "unknown": people.TokenPrefix + "abc", "none": "", "of another kind": "wk_" + revoked[3:]} {
		_, err := a.Logins.TokenSession(ctx, secret)
		accountstest.WantError(t, name, err, postgres.ErrNotFound)
	}
	if listed, err := a.Logins.Tokens(ctx, boss.ID); err != nil || len(listed) != 0 {
		t.Errorf("tokens = %+v, %v", listed, err)
	}
	var leaks int
	err := a.Pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM audit_log l WHERE l::text LIKE $1) + (SELECT count(*) FROM api_tokens t WHERE t::text LIKE $1)`, "%"+revoked+"%").Scan(&leaks)
	if err != nil || leaks != 0 {
		t.Errorf("%d rows hold a token in the clear, %v", leaks, err)
	}
}

func TestNobodyMakesATokenThatHoldsMore(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss, app, other := accountstest.Owner(t, a, "o@example.com"), accountstest.NewApp(t, a, "Shop"), accountstest.NewApp(t, a, "Other")
	small, err := a.People.CreateUser(ctx, people.NewUser{Email: "s@example.com", Roles: []access.Assignment{accountstest.Role(access.Owner, app.ID)}})
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string]people.NewToken{
		"permission": tokenFor(access.AppList{IDs: []string{other.ID}}, access.AppsRead),
		"app":        tokenFor(access.AppList{IDs: []string{app.ID, other.ID}}, access.AppsRead),
	} {
		_, _, err := a.Logins.CreateToken(accountstest.As(ctx, small), small.ID, wanted)
		accountstest.WantError(t, name, err, people.ErrNotHeld)
	}
	var bad *postgres.InvalidError
	for name, change := range map[string]func(*people.NewToken){
		"no name": func(n *people.NewToken) { n.Name = "" }, "no permission": func(n *people.NewToken) { n.Permissions = nil },
		"unknown permission": func(n *people.NewToken) { n.Permissions = []access.Permission{"root"} }, "no apps": func(n *people.NewToken) { n.Apps = access.AppList{} },
		"for ever": func(n *people.NewToken) { n.ExpiresDays = 366 }, "expired": func(n *people.NewToken) { n.ExpiresDays = 0 },
	} {
		wanted := tokenFor(allApps(), access.AppsRead)
		change(&wanted)
		if _, _, err := a.Logins.CreateToken(accountstest.As(ctx, boss), boss.ID, wanted); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := a.Logins.CreateToken(accountstest.As(ctx, boss), small.ID, tokenFor(allApps(), access.AppsRead)); !errors.As(err, &bad) {
		t.Errorf("a token in another person's name: %v", err)
	}
	// Whoever acts through a token holds no more than the token.
	limited := postgres.WithActor(ctx, postgres.Actor{Kind: "token:x", ID: boss.ID, Limit: &access.Limit{Permissions: []access.Permission{access.UsersManage, access.AppsRead}, Apps: allApps()}})
	_, err = a.People.CreateUser(limited, people.NewUser{Email: "n@example.com", Roles: []access.Assignment{accountstest.Role(access.Viewer)}})
	accountstest.WantError(t, "granting through a token", err, people.ErrNotHeld)
	_, err = a.People.SetRoles(limited, boss.ID, []access.Assignment{})
	accountstest.WantError(t, "taking away through a token", err, people.ErrNotHeld)
	if _, err := a.People.CreateUser(limited, people.NewUser{Email: "n@example.com"}); err != nil {
		t.Errorf("creating somebody without a role through a token: %v", err)
	}
}

func TestServiceAccounts(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss := accountstest.Owner(t, a, "o@example.com")
	acting := accountstest.As(ctx, boss)
	robot, err := a.People.CreateUser(acting, people.NewUser{Kind: people.Service, Name: "Nightly export", Roles: []access.Assignment{accountstest.Role(access.Analyst)}})
	if err != nil || robot.Email != "" {
		t.Fatalf("robot = %+v, %v", robot, err)
	}
	if _, err := a.People.CreateUser(acting, people.NewUser{Kind: people.Service, Name: "Another"}); err != nil {
		t.Errorf("a second service account: %v", err)
	}
	_, secret, err := a.Logins.CreateToken(acting, robot.ID, tokenFor(allApps(), access.RawRead))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := a.Logins.TokenSession(ctx, secret); err != nil || s.User.Kind != people.Service || !access.Anywhere(s.User.Principal(), access.RawRead) {
		t.Errorf("session = %+v, %v", s, err)
	}
	_, _, err = a.Logins.CreateToken(acting, robot.ID, tokenFor(allApps(), access.UsersManage))
	accountstest.WantError(t, "more than the service account holds", err, people.ErrNotHeld)
	operator, err := a.People.CreateUser(ctx, people.NewUser{Email: "op@example.com", Roles: []access.Assignment{accountstest.Role(access.Operator)}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = a.Logins.CreateToken(accountstest.As(ctx, operator), robot.ID, tokenFor(allApps(), access.ReportsRead))
	accountstest.WantError(t, "a token of whoever holds more", err, people.ErrNotHeld)
	var bad *postgres.InvalidError
	password := accountstest.GoodPassword
	if _, err := a.People.UpdateUser(acting, robot.ID, people.UserChange{Password: &password}); !errors.As(err, &bad) {
		t.Errorf("a password: %v", err)
	}
	for _, wrong := range []people.NewUser{{Kind: people.Service, Name: "x", Password: accountstest.GoodPassword}, {Kind: people.Service, Name: "x", Email: "x@example.com"}, {Kind: people.Service}, {Kind: "robot", Email: "x@example.com"}} {
		if _, err := a.People.CreateUser(acting, wrong); !errors.As(err, &bad) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	for _, email := range []string{"", "Nightly export"} {
		_, _, err := a.Logins.Login(ctx, people.Login{Email: email, Password: ""})
		accountstest.WantError(t, "login", err, people.ErrUnauthorized)
	}
	if _, err := a.People.SetRoles(acting, robot.ID, []access.Assignment{accountstest.Role(access.Owner)}); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "an owner who can log in stays", a.People.DeleteUser(acting, boss.ID), people.ErrLastOwner)
}
