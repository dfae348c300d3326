package api

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// memory is a Sessions that knows one session.
type memory struct{ session people.Session }

func (memory) Secret(_ context.Context, _ string, mint func() ([]byte, error)) ([]byte, error) {
	return mint()
}

func (m memory) Session(_ context.Context, id string) (people.Session, error) {
	if id == m.session.ID {
		return m.session, nil
	}
	return people.Session{}, postgres.ErrNotFound
}

func (memory) TokenSession(context.Context, string) (people.Session, error) {
	return people.Session{}, postgres.ErrNotFound
}

func (memory) Watch(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return nil
}

func inMemory(tb testing.TB) (*Authenticator, people.Session) {
	tb.Helper()
	session := people.Session{ID: "session", User: people.User{ID: "user"}, Expires: time.Now().Add(time.Hour)}
	a, err := NewAuthenticator(context.Background(), memory{session}, memory{session}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return a, session
}

// FuzzAuthorization looks for a header that panics or logs in without our signature.
func FuzzAuthorization(f *testing.F) {
	a, session := inMemory(f)
	good, _, err := a.issue(session)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "Bearer ", "Bearer " + good, "Bearer " + good[1:], "Basic x", "Bearer ..", "Bearer e30.e30.", "bearer " + good, "Bearer " + people.TokenPrefix} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		_, err := a.session(context.Background(), header)
		var bad *tokenError
		if header != "Bearer "+good && !errors.As(err, &bad) {
			t.Errorf("%q: %v", header, err)
		}
	})
}

// BenchmarkAuthorization is what each request of a logged-in person costs before its handler.
func BenchmarkAuthorization(b *testing.B) {
	a, session := inMemory(b)
	token, _, err := a.issue(session)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.session(context.Background(), "Bearer "+token); err != nil {
			b.Fatal(err)
		}
	}
}
