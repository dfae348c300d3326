package accounts

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

func TestAnInvitationOpensOneAccountOnce(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss := owner(t, a, "o@example.com")
	ann, link, err := a.Invite(as(ctx, boss), NewUser{Email: "ann@example.com", Roles: []access.Assignment{role(access.Viewer)}})
	if err != nil || !ann.Invited || link.Path != "/accept#"+link.Token || time.Until(link.Expires) < 71*time.Hour {
		t.Fatalf("invitation = %+v, %+v, %v", ann, link, err)
	}
	_, _, err = a.Login(ctx, Login{Email: ann.Email, Password: ""})
	wantError(t, "login before", err, ErrUnauthorized)
	var bad *InvalidError
	if err := a.Accept(ctx, link.Token, "short"); !errors.As(err, &bad) {
		t.Errorf("a short password: %v", err)
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := a.Accept(ctx, link.Token, goodPassword); err == nil {
				won.Add(1)
			} else if !errors.Is(err, ErrLink) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 at once use the link", won.Load())
	}
	if _, _, err := a.Login(ctx, Login{Email: ann.Email, Password: goodPassword}); err != nil {
		t.Errorf("login after: %v", err)
	}
	if read, err := a.User(ctx, ann.ID); err != nil || read.Invited {
		t.Errorf("user = %+v, %v", read, err)
	}
	var leaks int
	err = a.pool.QueryRow(ctx, `SELECT count(*) FROM audit_log l WHERE l::text LIKE $1`, "%"+link.Token+"%").Scan(&leaks)
	if err != nil || leaks != 0 {
		t.Errorf("the audit log shows the token, %v", err)
	}
	_, _, err = a.Invite(as(ctx, ann), NewUser{Email: "x@example.com", Roles: []access.Assignment{role(access.Owner)}})
	wantError(t, "inviting above oneself", err, ErrNotHeld)
}

func TestLinksThatDoNotOpen(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss := owner(t, a, "o@example.com")
	fresh := func() (User, string) {
		t.Helper()
		exec(t, a, `DELETE FROM users WHERE email = 'ann@example.com'`)
		ann, link, err := a.Invite(as(ctx, boss), NewUser{Email: "ann@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		return ann, link.Token
	}
	disabled, password := true, "another good password"
	for name, spoil := range map[string]func(User){
		"expired":  func(u User) { exec(t, a, `UPDATE password_links SET expires_at = now() WHERE user_id = $1`, u.ID) },
		"replaced": func(u User) { _, err := a.ResetLink(as(ctx, boss), u.ID); wantError(t, "reset link", err, nil) },
		"disabled": func(u User) {
			_, err := a.UpdateUser(as(ctx, boss), u.ID, UserChange{Disabled: &disabled})
			wantError(t, "disabling", err, nil)
		},
		"overtaken": func(u User) {
			_, err := a.UpdateUser(as(ctx, boss), u.ID, UserChange{Password: &password})
			wantError(t, "setting a password", err, nil)
		},
		"deleted": func(u User) { wantError(t, "deleting", a.DeleteUser(as(ctx, boss), u.ID), nil) },
	} {
		ann, token := fresh()
		spoil(ann)
		wantError(t, name, a.Accept(ctx, token, goodPassword), ErrLink)
	}
	_, token := fresh()
	for _, wrong := range []string{"", linkPrefix, token + "a", strings.ToUpper(token), token[:len(token)-1]} {
		wantError(t, "wrong token", a.Accept(ctx, wrong, goodPassword), ErrLink)
	}
}

func TestAResetEndsSessionsWhenItIsUsed(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	boss := owner(t, a, "o@example.com")
	session, _, err := a.Login(ctx, Login{Email: boss.Email, Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	link, err := a.ResetLink(as(ctx, boss), boss.ID)
	if err != nil || time.Until(link.Expires) > 24*time.Hour {
		t.Fatalf("link = %+v, %v", link, err)
	}
	if _, err := a.Session(ctx, session.ID); err != nil {
		t.Errorf("making a link ends the session: %v", err)
	}
	if err := a.Accept(ctx, link.Token, "another good password"); err != nil {
		t.Fatal(err)
	}
	_, err = a.Session(ctx, session.ID)
	wantError(t, "a session of before", err, ErrNotFound)
	operator, err := a.CreateUser(ctx, NewUser{Email: "op@example.com", Roles: []access.Assignment{role(access.Operator)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.ResetLink(as(ctx, operator), boss.ID)
	wantError(t, "a link of whoever holds more", err, ErrNotHeld)
	robot, err := a.CreateUser(ctx, NewUser{Kind: Service, Name: "robot"})
	if err != nil {
		t.Fatal(err)
	}
	var bad *InvalidError
	if _, err := a.ResetLink(as(ctx, boss), robot.ID); !errors.As(err, &bad) {
		t.Errorf("a link of a service account: %v", err)
	}
	// An owner who was invited cannot log in yet, so the one who can must stay.
	if _, _, err := a.Invite(as(ctx, boss), NewUser{Email: "second@example.com", Roles: []access.Assignment{role(access.Owner)}}); err != nil {
		t.Fatal(err)
	}
	wantError(t, "the last owner who can log in", a.DeleteUser(as(ctx, boss), boss.ID), ErrLastOwner)
}
