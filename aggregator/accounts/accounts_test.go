package accounts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func masterKey(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// openTest gives an Accounts on a new, migrated database.
func openTest(t *testing.T) *Accounts {
	t.Helper()
	a := openDSN(t, childtest.Postgres(t), 1)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

func openDSN(t *testing.T, dsn string, key byte) *Accounts {
	t.Helper()
	a, err := Open(t.Context(), Options{DSN: dsn, MasterKey: masterKey(key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// exec changes the database behind the back of the code under test, as the tables' owner.
func exec(t *testing.T, a *Accounts, sql string, args ...any) {
	t.Helper()
	if err := execAsOwner(t, a, sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func execAsOwner(t *testing.T, a *Accounts, sql string, args ...any) error {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), a.owner.Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), sql, args...)
	return err
}

func newApp(t *testing.T, a *Accounts, name string) App {
	t.Helper()
	app, err := a.CreateApp(t.Context(), App{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error is %v, want %v", what, got, want)
	}
}

func TestMigrateTwiceAndAtOnce(t *testing.T) {
	dsn := childtest.Postgres(t)
	a, b := openDSN(t, dsn, 1), openDSN(t, dsn, 1)
	var wg sync.WaitGroup
	for _, node := range []*Accounts{a, b, a} {
		wg.Go(func() {
			if err := node.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if generation, err := a.Generation(t.Context()); err != nil || generation != 1 {
		t.Fatalf("generation = %d, %v", generation, err)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	if _, err := Open(t.Context(), Options{DSN: "postgres://localhost/x", MasterKey: []byte("short")}); err == nil {
		t.Error("a short master key is accepted")
	}
	_, err := Open(t.Context(), Options{DSN: "postgres://u:hunter2@[bad", MasterKey: masterKey(1)})
	if err == nil || bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
		t.Errorf("error of a bad DSN = %v", err)
	}
}

func TestSecretIsMadeOnceAndSealed(t *testing.T) {
	dsn := childtest.Postgres(t)
	a, b := openDSN(t, dsn, 1), openDSN(t, dsn, 1)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	results := make([]string, 10)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			node := []*Accounts{a, b}[i%2]
			got, err := node.Secret(t.Context(), "ca", func() ([]byte, error) { return fmt.Appendf(nil, "secret-%d", n.Add(1)), nil })
			if err != nil {
				t.Error(err)
			}
			results[i] = string(got)
		})
	}
	wg.Wait()
	for _, got := range results {
		if got != results[0] || got == "" {
			t.Fatalf("nodes got different secrets: %q", results)
		}
	}
	sealed, err := a.sealed(t.Context(), "ca")
	if err != nil || bytes.Contains(sealed, []byte(results[0])) {
		t.Fatalf("the secret is stored in the clear (%v)", err)
	}
	other := openDSN(t, dsn, 2)
	if _, err := other.Secret(t.Context(), "ca", nil); err == nil {
		t.Error("another master key opens the secret")
	}
	exec(t, a, `UPDATE secrets SET name = 'other'`)
	if _, err := a.Secret(t.Context(), "other", nil); err == nil {
		t.Error("a secret can be moved to another name")
	}
}

func TestSettingsSnapshot(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	app := newApp(t, a, "Shop")
	key, secret, err := a.CreateKey(ctx, app.ID, protocol.KeyServer, "backend")
	if err != nil {
		t.Fatal(err)
	}
	link, err := a.CreateLink(ctx, Link{App: app.ID, MediaSource: "mail", Fallback: "https://example.com/", DeepLinks: map[string]string{"ios": "shop://open"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.Settings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(secret))
	if len(s.Apps) != 1 || len(s.Keys) != 1 || len(s.Links) != 1 || !bytes.Equal(s.Keys[0].Hash, hash[:]) || s.Keys[0].Kind != protocol.KeyServer ||
		s.Links[0].Slug != link.Slug || s.Links[0].DeepLinks["ios"] != "shop://open" {
		t.Fatalf("settings = %+v", s)
	}
	before := s.Generation
	if err := a.RevokeKey(ctx, app.ID, key.ID); err != nil {
		t.Fatal(err)
	}
	wantError(t, "second revoke", a.RevokeKey(ctx, app.ID, key.ID), ErrNotFound)
	if err := a.DeleteLink(ctx, app.ID, link.ID); err != nil {
		t.Fatal(err)
	}
	if s, err = a.Settings(ctx); err != nil || len(s.Keys) != 0 || len(s.Links) != 0 || s.Generation != before+2 {
		t.Fatalf("after revoke and delete: %+v, %v; want generation %d", s, err, before+2)
	}
	if err := a.DeleteApp(ctx, app.ID); err != nil {
		t.Fatal(err)
	}
	if s, err = a.Settings(ctx); err != nil || len(s.Apps) != 0 {
		t.Fatalf("after delete of the app: %+v, %v", s, err)
	}
	_, _, err = a.CreateKey(ctx, app.ID, protocol.KeyClient, "")
	wantError(t, "key of a deleted app", err, ErrNotFound)
}

func TestGenerationNeverRunsAheadOfItsContent(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	before, err := a.Generation(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				newApp(t, a, "x")
			}
		})
	}
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			s, err := a.Settings(ctx)
			if err != nil || s.Generation != before+uint64(len(s.Apps)) {
				t.Errorf("generation %d with %d apps, %v", s.Generation, len(s.Apps), err)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	wg.Wait()
	close(done)
	reader.Wait()
}

func TestAppSettingsAreVersioned(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	app := newApp(t, a, "Shop")
	all, err := a.AppSettings(ctx)
	if err != nil || len(all[app.ID]) != 1 || all[app.ID][0].Generation != 1 || all[app.ID][0].Lookback != attribution.Default().Lookback {
		t.Fatalf("settings of a new app = %+v, %v", all, err)
	}
	next := all[app.ID][0].Settings
	next.ConversionEvents = []string{"Signed Up"}
	version, err := a.PutSettings(ctx, app.ID, next)
	if err != nil || version.Generation != 2 {
		t.Fatalf("second version = %+v, %v", version, err)
	}
	_, err = a.PutSettings(ctx, app.ID, next)
	wantError(t, "change of a version that is not the newest", err, ErrExists)
	next.Generation, next.HalfLife = 2, -1
	var bad *InvalidError
	if _, err = a.PutSettings(ctx, app.ID, next); !errors.As(err, &bad) {
		t.Errorf("bad settings: %v", err)
	}
	history, err := a.SettingsOf(ctx, app.ID)
	if err != nil || len(history) != 2 || history[0].Generation != 2 || history[0].ConversionEvents[0] != "Signed Up" || !history[1].From.Equal(time.Unix(0, 0)) {
		t.Fatalf("history = %+v, %v", history, err)
	}
}

func TestWatchHearsOfChangesAndSurvivesABrokenConnection(t *testing.T) {
	a := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan struct{}, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Watch(ctx, func() { heard <- struct{}{} }); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	await := func(what string) {
		t.Helper()
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing heard after %s", what)
		}
	}
	await("the start")
	newApp(t, a, "one")
	await("a change")
	exec(t, a, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%' AND datname = current_database()`)
	newApp(t, a, "two")
	await("a change while away")
	newApp(t, a, "three")
	await("a change after coming back")
}

func TestWatchPeople(t *testing.T) {
	a := openTest(t)
	user, err := a.CreateOwner(t.Context(), "o@example.com", "O", "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 100)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.WatchPeople(ctx, func(id string) { heard <- id }) })
	defer wg.Wait()
	defer cancel()
	if got := <-heard; got != "" {
		t.Fatalf("at the start: %q", got)
	}
	name := "P"
	if _, err := a.UpdateUser(t.Context(), user.ID, UserChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != user.ID {
		t.Fatalf("heard of %q, want %q", got, user.ID)
	}
}

func TestLeaseAndWatermark(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	lease := func(owner string, ttl time.Duration) (int64, bool) {
		t.Helper()
		epoch, held, err := a.Lease(ctx, "sweep", owner, ttl)
		if err != nil {
			t.Fatal(err)
		}
		return epoch, held
	}
	if epoch, held := lease("one", time.Minute); epoch != 1 || !held {
		t.Fatalf("first lease: %d %v", epoch, held)
	}
	if epoch, held := lease("one", time.Minute); epoch != 1 || !held {
		t.Fatalf("renewal: %d %v", epoch, held)
	}
	if epoch, held := lease("two", time.Minute); epoch != 1 || held {
		t.Fatalf("lease of another: %d %v", epoch, held)
	}
	if mark, err := a.Watermark(ctx, "sweep"); err != nil || !mark.IsZero() {
		t.Fatalf("no watermark yet: %v %v", mark, err)
	}
	at := time.UnixMilli(1_700_000_000_123).UTC()
	if err := a.SetWatermark(ctx, "sweep", at, 1); err != nil {
		t.Fatal(err)
	}
	exec(t, a, `UPDATE leases SET expires_at = now() - interval '1 second'`)
	if epoch, held := lease("two", time.Minute); epoch != 2 || !held {
		t.Fatalf("takeover: %d %v", epoch, held)
	}
	if err := a.SetWatermark(ctx, "sweep", at.Add(time.Second), 2); err != nil {
		t.Fatal(err)
	}
	wantError(t, "watermark of the old holder", a.SetWatermark(ctx, "sweep", at, 1), ErrFenced)
	if mark, err := a.Watermark(ctx, "sweep"); err != nil || !mark.Equal(at.Add(time.Second)) {
		t.Fatalf("watermark = %v, %v", mark, err)
	}
	if err := a.Release(ctx, "sweep", "two"); err != nil {
		t.Fatal(err)
	}
	if epoch, held := lease("one", time.Minute); epoch != 3 || !held {
		t.Fatalf("lease after release: %d %v", epoch, held)
	}
}

func TestLeaseHasOneHolder(t *testing.T) {
	a := openTest(t)
	var holders atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			_, held, err := a.Lease(t.Context(), "x", fmt.Sprint(i), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if held {
				holders.Add(1)
			}
		})
	}
	wg.Wait()
	if holders.Load() != 1 {
		t.Fatalf("%d nodes hold the lease", holders.Load())
	}
}

func TestLinkDestinations(t *testing.T) {
	good := Link{Slug: "a", App: "a", MediaSource: "m", Fallback: "https://example.com/x?y=1#z"}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		"", "//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)", "http://a@evil.example", "https://ex.com/\r\nX: y",
		"data:text/html,x", "ftp://example.com", "https://", "https:///path", "https://ex.com/ space", "HTTPS://user:pw@ex.com",
	} {
		link := good
		link.Fallback = target
		if link.validate() == nil {
			t.Errorf("fallback %q is accepted", target)
		}
	}
	for platform, target := range map[string]string{"ios": "javascript:alert(1)", "android": "data:x", "web": "shop://x", "tv": "https://x.com"} {
		link := good
		link.DeepLinks = map[string]string{platform: target}
		if link.validate() == nil {
			t.Errorf("deep link %q for %s is accepted", target, platform)
		}
	}
	good.DeepLinks = map[string]string{"ios": "shop://open/1", "android": "intent://x", "web": "https://ex.com"}
	good.Stores = map[string]string{"android": "market://details?id=x", "ios": "https://apps.apple.com/x"}
	if err := good.validate(); err != nil {
		t.Error(err)
	}
}

// Ids and cursors come from addresses: any bytes, which are the caller's mistake and not ours.
func TestTextThatPostgresCannotHoldIsInvalid(t *testing.T) {
	a := openTest(t)
	for _, text := range []string{"\x00", "a\x00b", "\xff"} {
		_, app := a.App(t.Context(), text)
		_, user := a.User(t.Context(), text)
		_, links := a.Links(t.Context(), "app", text, 1)
		_, audit := a.Audit(t.Context(), AuditPage{Limit: 1, Actor: text})
		_, session := a.Session(t.Context(), text)
		for name, err := range map[string]error{"app": app, "user": user, "links": links, "audit": audit, "session": session, "delete": a.DeleteLink(t.Context(), "app", text)} {
			var bad *InvalidError
			if !errors.As(err, &bad) {
				t.Errorf("%s %q: %v", name, text, err)
			}
		}
	}
}
