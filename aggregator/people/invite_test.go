package people_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestAnInvitationOpensOneAccountOnce(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss := accountstest.Owner(t, a, "o@example.com")
	ann, link, err := a.People.Invite(accountstest.As(ctx, boss), people.NewUser{Email: "ann@example.com", Roles: []access.Assignment{accountstest.Role(access.Viewer)}})
	if err != nil || !ann.Invited || link.Path != "/accept#"+link.Token || time.Until(link.Expires) < 71*time.Hour {
		t.Fatalf("invitation = %+v, %+v, %v", ann, link, err)
	}
	_, _, err = a.Logins.Login(ctx, people.Login{Email: ann.Email, Password: ""})
	accountstest.WantError(t, "login before", err, people.ErrUnauthorized)
	var bad *postgres.InvalidError
	if err := a.People.Accept(ctx, link.Token, "short"); !errors.As(err, &bad) {
		t.Errorf("a short password: %v", err)
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := a.People.Accept(ctx, link.Token, accountstest.GoodPassword); err == nil {
				won.Add(1)
			} else if !errors.Is(err, people.ErrLink) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 at once use the link", won.Load())
	}
	if _, _, err := a.Logins.Login(ctx, people.Login{Email: ann.Email, Password: accountstest.GoodPassword}); err != nil {
		t.Errorf("login after: %v", err)
	}
	if read, err := a.People.User(ctx, ann.ID); err != nil || read.Invited {
		t.Errorf("user = %+v, %v", read, err)
	}
	var leaks int
	err = a.Pool.QueryRow(ctx, `SELECT count(*) FROM audit_log l WHERE l::text LIKE $1`, "%"+link.Token+"%").Scan(&leaks)
	if err != nil || leaks != 0 {
		t.Errorf("the audit log shows the token, %v", err)
	}
	_, _, err = a.People.Invite(accountstest.As(ctx, ann), people.NewUser{Email: "x@example.com", Roles: []access.Assignment{accountstest.Role(access.Owner)}})
	accountstest.WantError(t, "inviting above oneself", err, people.ErrNotHeld)
}

func TestLinksThatDoNotOpen(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss := accountstest.Owner(t, a, "o@example.com")
	fresh := func() (people.User, string) {
		t.Helper()
		accountstest.Exec(t, a, `DELETE FROM users WHERE email = 'ann@example.com'`)
		ann, link, err := a.People.Invite(accountstest.As(ctx, boss), people.NewUser{Email: "ann@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		return ann, link.Token
	}
	disabled, password := true, "another good password"
	for name, spoil := range map[string]func(people.User){
		"expired": func(u people.User) {
			accountstest.Exec(t, a, `UPDATE password_links SET expires_at = now() WHERE user_id = $1`, u.ID)
		},
		"replaced": func(u people.User) {
			_, err := a.People.ResetLink(accountstest.As(ctx, boss), u.ID)
			accountstest.WantError(t, "reset link", err, nil)
		},
		"disabled": func(u people.User) {
			_, err := a.People.UpdateUser(accountstest.As(ctx, boss), u.ID, people.UserChange{Disabled: &disabled})
			accountstest.WantError(t, "disabling", err, nil)
		},
		"overtaken": func(u people.User) {
			_, err := a.People.UpdateUser(accountstest.As(ctx, boss), u.ID, people.UserChange{Password: &password})
			accountstest.WantError(t, "setting a password", err, nil)
		},
		"deleted": func(u people.User) {
			accountstest.WantError(t, "deleting", a.People.DeleteUser(accountstest.As(ctx, boss), u.ID), nil)
		},
	} {
		ann, token := fresh()
		spoil(ann)
		accountstest.WantError(t, name, a.People.Accept(ctx, token, accountstest.GoodPassword), people.ErrLink)
	}
	_, token := fresh()
	for _, wrong := range []string{"", people.LinkPrefix, token + "a", strings.ToUpper(token), token[:len(token)-1]} {
		accountstest.WantError(t, "wrong token", a.People.Accept(ctx, wrong, accountstest.GoodPassword), people.ErrLink)
	}
}

func TestAResetEndsSessionsWhenItIsUsed(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	boss := accountstest.Owner(t, a, "o@example.com")
	session, _, err := a.Logins.Login(ctx, people.Login{Email: boss.Email, Password: accountstest.GoodPassword})
	if err != nil {
		t.Fatal(err)
	}
	link, err := a.People.ResetLink(accountstest.As(ctx, boss), boss.ID)
	if err != nil || time.Until(link.Expires) > 24*time.Hour {
		t.Fatalf("link = %+v, %v", link, err)
	}
	if _, err := a.Logins.Session(ctx, session.ID); err != nil {
		t.Errorf("making a link ends the session: %v", err)
	}
	if err := a.People.Accept(ctx, link.Token, "another good password"); err != nil {
		t.Fatal(err)
	}
	_, err = a.Logins.Session(ctx, session.ID)
	accountstest.WantError(t, "a session of before", err, postgres.ErrNotFound)
	operator, err := a.People.CreateUser(ctx, people.NewUser{Email: "op@example.com", Roles: []access.Assignment{accountstest.Role(access.Operator)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.People.ResetLink(accountstest.As(ctx, operator), boss.ID)
	accountstest.WantError(t, "a link of whoever holds more", err, people.ErrNotHeld)
	robot, err := a.People.CreateUser(ctx, people.NewUser{Kind: people.Service, Name: "robot"})
	if err != nil {
		t.Fatal(err)
	}
	var bad *postgres.InvalidError
	if _, err := a.People.ResetLink(accountstest.As(ctx, boss), robot.ID); !errors.As(err, &bad) {
		t.Errorf("a link of a service account: %v", err)
	}
	// An owner who was invited cannot log in yet, so the one who can must stay.
	if _, _, err := a.People.Invite(accountstest.As(ctx, boss), people.NewUser{Email: "second@example.com", Roles: []access.Assignment{accountstest.Role(access.Owner)}}); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "the last owner who can log in", a.People.DeleteUser(accountstest.As(ctx, boss), boss.ID), people.ErrLastOwner)
}
