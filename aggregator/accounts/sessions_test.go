package accounts

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func logIn(t *testing.T, a *Accounts, email string) (Session, string) {
	t.Helper()
	s, token, err := a.Login(t.Context(), Login{Email: email, Password: goodPassword, IP: "192.0.2.1", UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s, token
}

func TestLogin(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	user := owner(t, a, "o@example.com")
	s, token := logIn(t, a, " O@Example.COM ")
	if s.User.ID != user.ID || len(s.User.Roles) != 1 || token == "" || s.Expires.Sub(s.Created) != 12*time.Hour {
		t.Fatalf("session = %+v", s)
	}
	var stored int
	if err := a.pool.QueryRow(ctx, `SELECT count(*) FROM refresh_tokens WHERE encode(hash, 'escape') LIKE '%' || $1 || '%'`, token).Scan(&stored); err != nil || stored != 0 {
		t.Fatalf("the token is stored in the clear (%v)", err)
	}
	if _, err := a.CreateUser(ctx, NewUser{Email: "invited@example.com"}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Login{
		{Email: "o@example.com", Password: "wrong wrong wrong"}, {Email: "nobody@example.com", Password: goodPassword}, {Email: "", Password: ""},
		{Email: "o@example.com", Password: ""}, {Email: "not an address", Password: goodPassword}, {Email: "invited@example.com", Password: ""},
	} {
		_, _, err := a.Login(ctx, bad)
		wantError(t, bad.Email, err, ErrUnauthorized)
	}
	two := owner(t, a, "two@example.com")
	disabled := true
	if _, err := a.UpdateUser(ctx, two.ID, UserChange{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	_, _, err := a.Login(ctx, Login{Email: "two@example.com", Password: goodPassword})
	wantError(t, "disabled person", err, ErrUnauthorized)
}

// What a hash costs is its memory; that is the same on a busy machine, unlike time.
func TestUnknownPeopleCostAsMuch(t *testing.T) {
	a := openTest(t)
	owner(t, a, "o@example.com")
	if _, err := a.CreateUser(t.Context(), NewUser{Email: "invited@example.com"}); err != nil {
		t.Fatal(err)
	}
	for _, email := range []string{"o@example.com", "nobody@example.com", "invited@example.com", "not an address"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := a.Login(t.Context(), Login{Email: email, Password: "wrong wrong wrong"}); !errors.Is(err, ErrUnauthorized) {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if spent := (after.TotalAlloc - before.TotalAlloc) / 1024; spent < argonMemory || spent > argonMemory*11/10 {
			t.Errorf("%s: %d KiB, want about %d", email, spent, argonMemory)
		}
	}
}

func TestRefreshRotates(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	owner(t, a, "o@example.com")
	s, first := logIn(t, a, "o@example.com")
	same, second, err := a.Refresh(ctx, first)
	if err != nil || same.ID != s.ID || second == first || same.User.Email != "o@example.com" {
		t.Fatalf("refresh: %+v %v", same, err)
	}
	_, again, err := a.Refresh(ctx, first)
	if err != nil || again != second {
		t.Fatalf("a lost answer is not repeated: %q %q %v", again, second, err)
	}
	_, third, err := a.Refresh(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, a, `UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds'`)
	_, _, err = a.Refresh(ctx, first)
	wantError(t, "re-use after the window", err, ErrUnauthorized)
	_, _, err = a.Refresh(ctx, third)
	wantError(t, "newest token of a stolen family", err, ErrUnauthorized)
	_, err = a.Session(ctx, s.ID)
	wantError(t, "session of a stolen family", err, ErrNotFound)
	entries, err := a.Audit(ctx, AuditPage{Limit: 1})
	if err != nil || entries[0].Action != "session.reuse" || entries[0].Outcome != Denied {
		t.Fatalf("audit = %+v, %v", entries, err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 43), first + "A", first + "\n"} {
		_, _, err := a.Refresh(ctx, bad)
		wantError(t, "token "+bad, err, ErrUnauthorized)
	}
}

func TestRefreshesAtOnceMakeOneHead(t *testing.T) {
	a := openTest(t)
	owner(t, a, "o@example.com")
	_, token := logIn(t, a, "o@example.com")
	next := make([]string, 20)
	var wg sync.WaitGroup
	for i := range next {
		wg.Go(func() {
			var err error
			if _, next[i], err = a.Refresh(t.Context(), token); err != nil {
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
	if err := a.pool.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL`).Scan(&heads); err != nil || heads != 1 {
		t.Fatalf("%d heads, %v", heads, err)
	}
}

func TestSessionsEnd(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	user := owner(t, a, "o@example.com")
	s, token := logIn(t, a, "o@example.com")
	if err := a.Logout(ctx, token); err != nil {
		t.Fatal(err)
	}
	_, _, err := a.Refresh(ctx, token)
	wantError(t, "refresh after logout", err, ErrUnauthorized)
	_, err = a.Session(ctx, s.ID)
	wantError(t, "session after logout", err, ErrNotFound)
	if err := a.Logout(ctx, token); err != nil {
		t.Errorf("second logout: %v", err)
	}
	if err := a.Logout(ctx, "nonsense"); err != nil {
		t.Errorf("logout of nonsense: %v", err)
	}
	_, token = logIn(t, a, "o@example.com")
	exec(t, a, `UPDATE sessions SET expires_at = now() - interval '1 second' WHERE revoked_at IS NULL`)
	_, _, err = a.Refresh(ctx, token)
	wantError(t, "refresh after twelve hours", err, ErrUnauthorized)

	here, _ := logIn(t, a, "o@example.com")
	there, _ := logIn(t, a, "o@example.com")
	if _, err := a.UpdateSelf(ctx, user.ID, here.ID, nil, "not the password", "another good password"); err == nil {
		t.Error("the password is changed without the old one")
	}
	if _, err := a.UpdateSelf(ctx, user.ID, here.ID, nil, goodPassword, "another good password"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Session(ctx, here.ID); err != nil {
		t.Errorf("own session after the change: %v", err)
	}
	_, err = a.Session(ctx, there.ID)
	wantError(t, "other session after the change", err, ErrNotFound)
	if list, err := a.Sessions(ctx, user.ID); err != nil || len(list) != 1 {
		t.Errorf("sessions = %v, %v", list, err)
	}
	wantError(t, "ending the session of another", a.EndSession(ctx, "nobody", here.ID), ErrNotFound)
}

func TestAPersonHasSoManySessions(t *testing.T) {
	a := openTest(t)
	user := owner(t, a, "o@example.com")
	oldest, _ := logIn(t, a, "o@example.com")
	for range maxSessions {
		if _, _, err := a.openSession(t.Context(), user.ID, Login{}, opening{action: "login"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := a.Session(t.Context(), oldest.ID)
	wantError(t, "oldest session above the limit", err, ErrNotFound)
}
