package accounts_test

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

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestMigrateTwiceAndAtOnce(t *testing.T) {
	dsn := childtest.Postgres(t)
	a, b := accountstest.OpenDSN(t, dsn, 1), accountstest.OpenDSN(t, dsn, 1)
	var wg sync.WaitGroup
	for _, node := range []*accounts.Accounts{a, b, a} {
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
	if _, err := accounts.Open(t.Context(), accounts.Options{DSN: "postgres://localhost/x", MasterKey: []byte("short")}); err == nil {
		t.Error("a short master key is accepted")
	}
	_, err := accounts.Open(t.Context(), accounts.Options{DSN: "postgres://u:hunter2@[bad", MasterKey: accountstest.MasterKey(1)})
	if err == nil || bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
		t.Errorf("error of a bad DSN = %v", err)
	}
}

func TestSecretIsMadeOnceAndSealed(t *testing.T) {
	dsn := childtest.Postgres(t)
	a, b := accountstest.OpenDSN(t, dsn, 1), accountstest.OpenDSN(t, dsn, 1)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	results := make([]string, 10)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			node := []*accounts.Accounts{a, b}[i%2]
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
	var sealed []byte
	err := a.QueryRow(t.Context(), `SELECT sealed FROM secrets WHERE name = 'ca'`).Scan(&sealed)
	if err != nil || bytes.Contains(sealed, []byte(results[0])) {
		t.Fatalf("the secret is stored in the clear (%v)", err)
	}
	other := accountstest.OpenDSN(t, dsn, 2)
	if _, err := other.Secret(t.Context(), "ca", nil); err == nil {
		t.Error("another master key opens the secret")
	}
	accountstest.Exec(t, a, `UPDATE secrets SET name = 'other'`)
	if _, err := a.Secret(t.Context(), "other", nil); err == nil {
		t.Error("a secret can be moved to another name")
	}
}

func TestSettingsSnapshot(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	app := accountstest.NewApp(t, a, "Shop")
	key, secret, err := a.Apps.CreateKey(ctx, app.ID, protocol.KeyServer, "backend")
	if err != nil {
		t.Fatal(err)
	}
	link, err := a.Apps.CreateLink(ctx, apps.Link{App: app.ID, MediaSource: "mail", Fallback: "https://example.com/", DeepLinks: map[string]string{"ios": "shop://open"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.Apps.Settings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(secret))
	if len(s.Apps) != 1 || len(s.Keys) != 1 || len(s.Links) != 1 || !bytes.Equal(s.Keys[0].Hash, hash[:]) || s.Keys[0].Kind != protocol.KeyServer ||
		s.Links[0].Slug != link.Slug || s.Links[0].DeepLinks["ios"] != "shop://open" {
		t.Fatalf("settings = %+v", s)
	}
	before := s.Generation
	if err := a.Apps.RevokeKey(ctx, app.ID, key.ID); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "second revoke", a.Apps.RevokeKey(ctx, app.ID, key.ID), postgres.ErrNotFound)
	if err := a.Apps.DeleteLink(ctx, app.ID, link.ID); err != nil {
		t.Fatal(err)
	}
	if s, err = a.Apps.Settings(ctx); err != nil || len(s.Keys) != 0 || len(s.Links) != 0 || s.Generation != before+2 {
		t.Fatalf("after revoke and delete: %+v, %v; want generation %d", s, err, before+2)
	}
	if err := a.Apps.DeleteApp(ctx, app.ID); err != nil {
		t.Fatal(err)
	}
	if s, err = a.Apps.Settings(ctx); err != nil || len(s.Apps) != 0 {
		t.Fatalf("after delete of the app: %+v, %v", s, err)
	}
	_, _, err = a.Apps.CreateKey(ctx, app.ID, protocol.KeyClient, "")
	accountstest.WantError(t, "key of a deleted app", err, postgres.ErrNotFound)
}

func TestGenerationNeverRunsAheadOfItsContent(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	before, err := a.Generation(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				accountstest.NewApp(t, a, "x")
			}
		})
	}
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			s, err := a.Apps.Settings(ctx)
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
	a := accountstest.Open(t)
	ctx := t.Context()
	app := accountstest.NewApp(t, a, "Shop")
	all, err := a.Apps.AppSettings(ctx)
	if err != nil || len(all[app.ID]) != 1 || all[app.ID][0].Generation != 1 || all[app.ID][0].Lookback != attribution.Default().Lookback {
		t.Fatalf("settings of a new app = %+v, %v", all, err)
	}
	next := all[app.ID][0].Settings
	next.ConversionEvents = []string{"Signed Up"}
	version, err := a.Apps.PutSettings(ctx, app.ID, next)
	if err != nil || version.Generation != 2 {
		t.Fatalf("second version = %+v, %v", version, err)
	}
	_, err = a.Apps.PutSettings(ctx, app.ID, next)
	accountstest.WantError(t, "change of a version that is not the newest", err, postgres.ErrExists)
	next.Generation, next.HalfLife = 2, -1
	var bad *postgres.InvalidError
	if _, err = a.Apps.PutSettings(ctx, app.ID, next); !errors.As(err, &bad) {
		t.Errorf("bad settings: %v", err)
	}
	history, err := a.Apps.SettingsOf(ctx, app.ID)
	if err != nil || len(history) != 2 || history[0].Generation != 2 || history[0].ConversionEvents[0] != "Signed Up" || !history[1].From.Equal(time.Unix(0, 0)) {
		t.Fatalf("history = %+v, %v", history, err)
	}
}

func TestWatchHearsOfChangesAndSurvivesABrokenConnection(t *testing.T) {
	a := accountstest.Open(t)
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
	accountstest.NewApp(t, a, "one")
	await("a change")
	accountstest.Exec(t, a, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%' AND datname = current_database()`)
	accountstest.NewApp(t, a, "two")
	await("a change while away")
	accountstest.NewApp(t, a, "three")
	await("a change after coming back")
}

func TestWatchPeople(t *testing.T) {
	a := accountstest.Open(t)
	user, err := a.People.CreateOwner(t.Context(), "o@example.com", "O", "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 100)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Logins.Watch(ctx, func(id string) { heard <- id }) })
	defer wg.Wait()
	defer cancel()
	if got := <-heard; got != "" {
		t.Fatalf("at the start: %q", got)
	}
	name := "P"
	if _, err := a.People.UpdateUser(t.Context(), user.ID, people.UserChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != user.ID {
		t.Fatalf("heard of %q, want %q", got, user.ID)
	}
}

func TestLeaseAndWatermark(t *testing.T) {
	a := accountstest.Open(t)
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
	accountstest.Exec(t, a, `UPDATE leases SET expires_at = now() - interval '1 second'`)
	if epoch, held := lease("two", time.Minute); epoch != 2 || !held {
		t.Fatalf("takeover: %d %v", epoch, held)
	}
	if err := a.SetWatermark(ctx, "sweep", at.Add(time.Second), 2); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "watermark of the old holder", a.SetWatermark(ctx, "sweep", at, 1), postgres.ErrFenced)
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
	a := accountstest.Open(t)
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

// Ids and cursors come from addresses: any bytes, which are the caller's mistake and not ours.
func TestTextThatPostgresCannotHoldIsInvalid(t *testing.T) {
	a := accountstest.Open(t)
	for _, text := range []string{"\x00", "a\x00b", "\xff"} {
		_, app := a.Apps.App(t.Context(), text)
		_, user := a.People.User(t.Context(), text)
		_, links := a.Apps.Links(t.Context(), "app", text, 1)
		_, audit := a.Audit(t.Context(), postgres.AuditPage{Limit: 1, Actor: text})
		_, session := a.Logins.Session(t.Context(), text)
		for name, err := range map[string]error{"app": app, "user": user, "links": links, "audit": audit, "session": session, "delete": a.Apps.DeleteLink(t.Context(), "app", text)} {
			var bad *postgres.InvalidError
			if !errors.As(err, &bad) {
				t.Errorf("%s %q: %v", name, text, err)
			}
		}
	}
}
