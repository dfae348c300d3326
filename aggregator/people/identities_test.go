package people_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

const testIssuer = "https://login.example.com"

func claimed(subject, email string) people.Vouched {
	return people.Vouched{Issuer: testIssuer, Subject: subject, Email: email, EmailVerified: true, Name: "Ann\nof\x00 the provider"}
}

// vouch logs in as whomever the provider vouches for.
func vouch(t *testing.T, a *accounts.Accounts, v people.Vouched, p people.Provider) (people.Session, error) {
	t.Helper()
	s, _, err := a.Logins.LoginIdentity(postgres.WithActor(t.Context(), postgres.Actor{Kind: "anonymous"}), people.IdentityLogin{Vouched: v, Provider: p, Waiting: hashOf(t.Name())})
	return s, err
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func wantRefusal(t *testing.T, what string, err error, reason string) {
	t.Helper()
	var refused *people.RefusedError
	if !errors.As(err, &refused) || refused.Reason != reason {
		t.Errorf("%s: %v, want %s", what, err, reason)
	}
}

func TestTheSubjectCountsOnceItIsLinked(t *testing.T) {
	a := accountstest.Open(t)
	ann := accountstest.Owner(t, a, "ann@example.com")
	bob := accountstest.Owner(t, a, "bob@example.com")
	if s, err := vouch(t, a, claimed("1", "Ann@Example.com"), people.Provider{}); err != nil || s.User.ID != ann.ID {
		t.Fatalf("by address: %+v, %v", s.User, err)
	}
	moved := claimed("1", "bob@example.com") // the address is Bob's here, but the subject is Ann
	moved.EmailVerified = false
	if s, err := vouch(t, a, moved, people.Provider{}); err != nil || s.User.ID != ann.ID {
		t.Errorf("by subject: %+v, %v", s.User, err)
	}
	_, err := vouch(t, a, claimed("2", "ann@example.com"), people.Provider{})
	wantRefusal(t, "another subject with the address", err, people.LinkedOtherwise)
	elsewhere := claimed("1", "bob@example.com")
	elsewhere.Issuer = "https://other.example.com"
	if s, err := vouch(t, a, elsewhere, people.Provider{}); err != nil || s.User.ID != bob.ID {
		t.Errorf("the same subject of another issuer: %+v, %v", s.User, err)
	}
	unverified := claimed("3", "bob@example.com")
	unverified.EmailVerified = false
	_, err = vouch(t, a, unverified, people.Provider{})
	wantRefusal(t, "an address that is not verified", err, people.EmailUnverified)
	for _, email := range []string{"", "x", "a@b@example.com", "Ann <ann@example.com>"} {
		_, err = vouch(t, a, claimed("4", email), people.Provider{CreatePeople: true, Domains: []string{"example.com"}})
		wantRefusal(t, email, err, people.EmailUnverified)
	}
}

func TestManyFirstLoginsAtOnceMakeOnePerson(t *testing.T) {
	a := accountstest.Open(t)
	p := people.Provider{CreatePeople: true, Domains: []string{"example.com"}, Roles: []access.Assignment{{Role: access.Viewer, AllApps: true}}}
	var wg sync.WaitGroup
	users := make([]string, 8)
	for i := range users {
		wg.Go(func() {
			s, err := vouch(t, a, claimed("1", "new@example.com"), p)
			var refused *people.RefusedError
			if err != nil && !errors.As(err, &refused) {
				t.Errorf("login %d: %v", i, err)
			}
			users[i] = s.User.ID
		})
	}
	wg.Wait()
	everybody, err := a.People.Users(t.Context())
	if err != nil || len(everybody) != 1 || everybody[0].Name != "Annof the provider" || everybody[0].Invited {
		t.Fatalf("people: %+v, %v", everybody, err)
	}
	in := 0
	for _, user := range users {
		if user == everybody[0].ID {
			in++
		}
	}
	if in == 0 {
		t.Error("nobody got in")
	}
}

func TestTheProvidersSecondFactorStandsInForOurs(t *testing.T) {
	a := accountstest.Open(t)
	user, _, _ := enrolled(t, a)
	_, err := vouch(t, a, claimed("1", "o@example.com"), people.Provider{})
	accountstest.WantError(t, "without a second factor", err, people.ErrCodeRequired)
	strong := claimed("1", "o@example.com")
	strong.MFA = true
	if s, err := vouch(t, a, strong, people.Provider{}); err != nil || s.User.ID != user.ID {
		t.Errorf("with the provider's: %v", err)
	}
	yes := true
	if _, err := a.People.CreateOwner(t.Context(), "boss@example.com", "Boss", "a password for the boss"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.People.UpdateUser(t.Context(), user.ID, people.UserChange{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	_, err = vouch(t, a, strong, people.Provider{})
	wantRefusal(t, "disabled", err, people.PersonDisabled)
}

func TestAttemptsCountOnceAndNotForLong(t *testing.T) {
	a, ctx := accountstest.Open(t), t.Context()
	for _, name := range []string{"one", "two"} {
		if err := a.Logins.BeginAttempt(ctx, hashOf(name), "/"+name); err != nil {
			t.Fatal(err)
		}
	}
	if to, err := a.Logins.TakeAttempt(ctx, hashOf("one")); err != nil || to != "/one" {
		t.Errorf("take: %q, %v", to, err)
	}
	_, err := a.Logins.TakeAttempt(ctx, hashOf("one"))
	accountstest.WantError(t, "twice", err, postgres.ErrNotFound)
	_, err = a.Logins.TakeAttempt(ctx, hashOf("nobody's"))
	accountstest.WantError(t, "unknown", err, postgres.ErrNotFound)
	_, _, err = a.Logins.LoginFactor(ctx, hashOf("two"), people.Login{Code: "123456"})
	accountstest.WantError(t, "a factor before the provider vouched", err, postgres.ErrNotFound)
	if _, err := a.Pool.Exec(ctx, `UPDATE oidc_attempts SET expires_at = now() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	_, err = a.Logins.TakeAttempt(ctx, hashOf("two"))
	accountstest.WantError(t, "expired", err, postgres.ErrNotFound)
	if err := a.Logins.BeginAttempt(ctx, hashOf("three"), "/"); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := a.Pool.QueryRow(ctx, `SELECT count(*) FROM oidc_attempts`).Scan(&left); err != nil || left != 1 {
		t.Errorf("%d attempts are kept, %v", left, err)
	}
	if _, err := a.Pool.Exec(ctx, `INSERT INTO oidc_attempts (hash, return_to, expires_at)
		SELECT sha256(n::text::bytea), '/', now() + interval '1 minute' FROM generate_series(1, $1) n`, people.MaxAttempts+5); err != nil {
		t.Fatal(err)
	}
	if err := a.Logins.BeginAttempt(ctx, hashOf("four"), "/"); err != nil {
		t.Fatal(err)
	}
	if err := a.Pool.QueryRow(ctx, `SELECT count(*) FROM oidc_attempts`).Scan(&left); err != nil || left != people.MaxAttempts {
		t.Errorf("%d attempts are kept, %v", left, err)
	}
	if _, err := a.Logins.TakeAttempt(ctx, hashOf("four")); err != nil {
		t.Errorf("the newest: %v", err)
	}
}

func TestTheClientSecretIsSealed(t *testing.T) {
	a, ctx := accountstest.Open(t), t.Context()
	secret := "the planted canary of the provider"
	change := people.ProviderChange{Name: "Acme", Issuer: testIssuer, ClientID: "us", ClientSecret: &secret, PublicURL: "https://console.example.com"}
	if _, err := a.People.SetProvider(ctx, change); err != nil {
		t.Fatal(err)
	}
	if p, err := a.People.Provider(ctx); err != nil || p.Secret != secret {
		t.Errorf("secret: %v", err)
	}
	for _, table := range []string{"secrets", "oidc_provider", "audit_log"} {
		var dump []byte
		if err := a.Pool.QueryRow(context.WithoutCancel(ctx), `SELECT coalesce(string_agg(t::text, ' '), '')::bytea FROM `+table+` t`).Scan(&dump); err != nil {
			t.Fatal(err)
		}
		if len(dump) == 0 || bytes.Contains(dump, []byte(secret)) {
			t.Errorf("%s is empty or holds the secret", table)
		}
	}
	// Another issuer must not be sent the secret of this one, nor may it be lost by a slip.
	other := change
	other.Issuer, other.ClientSecret = "https://other.example.com", nil
	var bad *postgres.InvalidError
	if _, err := a.People.SetProvider(ctx, other); !errors.As(err, &bad) {
		t.Errorf("another issuer with the secret of the one before: %v", err)
	}
	change.ClientSecret = nil
	if p, err := a.People.SetProvider(ctx, change); err != nil || p.Secret != secret {
		t.Errorf("the secret is not kept: %v", err)
	}
	none := ""
	change.ClientSecret = &none
	if p, err := a.People.SetProvider(ctx, change); err != nil || p.HasSecret {
		t.Errorf("a public client: %+v, %v", p, err)
	}
}
