package people_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func logIn(t *testing.T, a *accounts.Accounts, email string) (people.Session, string) {
	t.Helper()
	s, token, err := a.Logins.Login(t.Context(), people.Login{Email: email, Password: accountstest.GoodPassword, IP: "192.0.2.1", UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s, token
}

func TestLogin(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	user := accountstest.Owner(t, a, "o@example.com")
	s, token := logIn(t, a, " O@Example.COM ")
	if s.User.ID != user.ID || len(s.User.Roles) != 1 || token == "" || s.Expires.Sub(s.Created) != 12*time.Hour {
		t.Fatalf("session = %+v", s)
	}
	var stored int
	if err := a.Pool.QueryRow(ctx, `SELECT count(*) FROM refresh_tokens WHERE encode(hash, 'escape') LIKE '%' || $1 || '%'`, token).Scan(&stored); err != nil || stored != 0 {
		t.Fatalf("the token is stored in the clear (%v)", err)
	}
	if _, err := a.People.CreateUser(ctx, people.NewUser{Email: "invited@example.com"}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []people.Login{
		{Email: "o@example.com", Password: "wrong wrong wrong"}, {Email: "nobody@example.com", Password: accountstest.GoodPassword}, {Email: "", Password: ""},
		{Email: "o@example.com", Password: ""}, {Email: "not an address", Password: accountstest.GoodPassword}, {Email: "invited@example.com", Password: ""},
	} {
		_, _, err := a.Logins.Login(ctx, bad)
		accountstest.WantError(t, bad.Email, err, people.ErrUnauthorized)
	}
	two := accountstest.Owner(t, a, "two@example.com")
	disabled := true
	if _, err := a.People.UpdateUser(ctx, two.ID, people.UserChange{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	_, _, err := a.Logins.Login(ctx, people.Login{Email: "two@example.com", Password: accountstest.GoodPassword})
	accountstest.WantError(t, "disabled person", err, people.ErrUnauthorized)
}

// The cost of a hash is its memory; that is the same on a busy machine, unlike time.
func TestUnknownPeopleCostAsMuch(t *testing.T) {
	a := accountstest.Open(t)
	accountstest.Owner(t, a, "o@example.com")
	if _, err := a.People.CreateUser(t.Context(), people.NewUser{Email: "invited@example.com"}); err != nil {
		t.Fatal(err)
	}
	for _, email := range []string{"o@example.com", "nobody@example.com", "invited@example.com", "not an address"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := a.Logins.Login(t.Context(), people.Login{Email: email, Password: "wrong wrong wrong"}); !errors.Is(err, people.ErrUnauthorized) {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if spent := (after.TotalAlloc - before.TotalAlloc) / 1024; spent < people.ArgonMemory || spent > people.ArgonMemory*11/10 {
			t.Errorf("%s: %d KiB, want about %d", email, spent, people.ArgonMemory)
		}
	}
}

func TestRefreshRotates(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	accountstest.Owner(t, a, "o@example.com")
	s, first := logIn(t, a, "o@example.com")
	same, second, err := a.Logins.Refresh(ctx, first)
	if err != nil || same.ID != s.ID || second == first || same.User.Email != "o@example.com" {
		t.Fatalf("refresh: %+v %v", same, err)
	}
	_, again, err := a.Logins.Refresh(ctx, first)
	if err != nil || again != second {
		t.Fatalf("a lost answer is not repeated: %q %q %v", again, second, err)
	}
	_, third, err := a.Logins.Refresh(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	accountstest.Exec(t, a, `UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds'`)
	_, _, err = a.Logins.Refresh(ctx, first)
	accountstest.WantError(t, "re-use after the window", err, people.ErrUnauthorized)
	_, _, err = a.Logins.Refresh(ctx, third)
	accountstest.WantError(t, "newest token of a stolen family", err, people.ErrUnauthorized)
	_, err = a.Logins.Session(ctx, s.ID)
	accountstest.WantError(t, "session of a stolen family", err, postgres.ErrNotFound)
	entries, err := a.Audit(ctx, postgres.AuditPage{Limit: 1})
	if err != nil || entries[0].Action != "session.reuse" || entries[0].Outcome != postgres.Denied {
		t.Fatalf("audit = %+v, %v", entries, err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 43), first + "A", first + "\n"} {
		_, _, err := a.Logins.Refresh(ctx, bad)
		accountstest.WantError(t, "token "+bad, err, people.ErrUnauthorized)
	}
}

func TestRefreshesAtOnceMakeOneHead(t *testing.T) {
	a := accountstest.Open(t)
	accountstest.Owner(t, a, "o@example.com")
	_, token := logIn(t, a, "o@example.com")
	next := make([]string, 20)
	var wg sync.WaitGroup
	for i := range next {
		wg.Go(func() {
			var err error
			if _, next[i], err = a.Logins.Refresh(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, n := range next {
		if n != next[0] {
			t.Fatal("one token has two successors")
		}
	}
	var heads int
	if err := a.Pool.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL`).Scan(&heads); err != nil || heads != 1 {
		t.Fatalf("%d heads, %v", heads, err)
	}
}

func TestSessionsEnd(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	user := accountstest.Owner(t, a, "o@example.com")
	s, token := logIn(t, a, "o@example.com")
	if err := a.Logins.Logout(ctx, token); err != nil {
		t.Fatal(err)
	}
	_, _, err := a.Logins.Refresh(ctx, token)
	accountstest.WantError(t, "refresh after logout", err, people.ErrUnauthorized)
	_, err = a.Logins.Session(ctx, s.ID)
	accountstest.WantError(t, "session after logout", err, postgres.ErrNotFound)
	if err := a.Logins.Logout(ctx, token); err != nil {
		t.Errorf("second logout: %v", err)
	}
	if err := a.Logins.Logout(ctx, "nonsense"); err != nil {
		t.Errorf("logout of nonsense: %v", err)
	}
	_, token = logIn(t, a, "o@example.com")
	accountstest.Exec(t, a, `UPDATE sessions SET expires_at = now() - interval '1 second' WHERE revoked_at IS NULL`)
	_, _, err = a.Logins.Refresh(ctx, token)
	accountstest.WantError(t, "refresh after twelve hours", err, people.ErrUnauthorized)

	here, _ := logIn(t, a, "o@example.com")
	there, _ := logIn(t, a, "o@example.com")
	if _, err := a.People.UpdateSelf(ctx, user.ID, here.ID, nil, "not the password", "another good password"); err == nil {
		t.Error("the password is changed without the old one")
	}
	if _, err := a.People.UpdateSelf(ctx, user.ID, here.ID, nil, accountstest.GoodPassword, "another good password"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Logins.Session(ctx, here.ID); err != nil {
		t.Errorf("own session after the change: %v", err)
	}
	_, err = a.Logins.Session(ctx, there.ID)
	accountstest.WantError(t, "other session after the change", err, postgres.ErrNotFound)
	if list, err := a.Logins.Sessions(ctx, user.ID); err != nil || len(list) != 1 {
		t.Errorf("sessions = %v, %v", list, err)
	}
	accountstest.WantError(t, "ending the session of another", a.Logins.EndSession(ctx, "nobody", here.ID), postgres.ErrNotFound)
}

func TestAPersonHasSoManySessions(t *testing.T) {
	a := accountstest.Open(t)
	user := accountstest.Owner(t, a, "o@example.com")
	oldest, _ := logIn(t, a, "o@example.com")
	for range people.MaxSessions {
		if _, _, err := a.Logins.OpenSession(t.Context(), user.ID); err != nil {
			t.Fatal(err)
		}
	}
	_, err := a.Logins.Session(t.Context(), oldest.ID)
	accountstest.WantError(t, "oldest session above the limit", err, postgres.ErrNotFound)
}
