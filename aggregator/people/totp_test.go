package people_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// codeOf is the code that the app on the phone shows, some periods from now.
func codeOf(t *testing.T, secret string, later int64) string {
	t.Helper()
	code, err := hotp.GenerateCode(secret, uint64(time.Now().Unix()/people.TotpPeriod+later))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// enrolled makes an owner with a second factor. The present code is used up.
func enrolled(t *testing.T, a *accounts.Accounts) (user people.User, secret string, recovery []string) {
	t.Helper()
	user = accountstest.Owner(t, a, "o@example.com")
	made, err := a.Logins.EnrolTOTP(t.Context(), user.ID, accountstest.GoodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if recovery, err = a.Logins.ConfirmTOTP(t.Context(), user.ID, "", codeOf(t, made.Secret, 0)); err != nil {
		t.Fatal(err)
	}
	return user, made.Secret, recovery
}

func enter(t *testing.T, a *accounts.Accounts, code string) error {
	t.Helper()
	_, _, err := a.Logins.Login(t.Context(), people.Login{Email: "o@example.com", Password: accountstest.GoodPassword, Code: code})
	return err
}

func TestASecondFactorCountsOnceItIsConfirmed(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	user := accountstest.Owner(t, a, "o@example.com")
	var bad *postgres.InvalidError
	if _, err := a.Logins.EnrolTOTP(ctx, user.ID, "wrong wrong wrong"); !errors.As(err, &bad) {
		t.Fatalf("enrolling without the password: %v", err)
	}
	first, err := a.Logins.EnrolTOTP(ctx, user.ID, accountstest.GoodPassword)
	if err != nil || !strings.HasPrefix(first.URL, "otpauth://totp/UnMoGrowP:o@example.com?") || !strings.Contains(first.URL, first.Secret) {
		t.Fatalf("enrolment = %+v, %v", first, err)
	}
	if err := enter(t, a, ""); err != nil {
		t.Errorf("a factor that is not confirmed is asked for: %v", err)
	}
	second, err := a.Logins.EnrolTOTP(ctx, user.ID, accountstest.GoodPassword)
	if err != nil || second.Secret == first.Secret {
		t.Fatalf("enrolling again: %+v, %v", second, err)
	}
	if _, err := a.Logins.ConfirmTOTP(ctx, user.ID, "", codeOf(t, first.Secret, 0)); !errors.As(err, &bad) {
		t.Errorf("a code of the replaced secret: %v", err)
	}
	codes, err := a.Logins.ConfirmTOTP(ctx, user.ID, "", codeOf(t, second.Secret, 0))
	if err != nil || len(codes) != people.RecoveryCodes {
		t.Fatalf("confirmation = %v, %v", codes, err)
	}
	_, err = a.Logins.EnrolTOTP(ctx, user.ID, accountstest.GoodPassword)
	accountstest.WantError(t, "enrolling over a factor in force", err, postgres.ErrExists)
	if state, err := a.Logins.TOTP(ctx, user.ID); err != nil || !state.Enabled || state.Pending || state.Recovery != people.RecoveryCodes {
		t.Errorf("state = %+v, %v", state, err)
	}
	if read, err := a.People.User(ctx, user.ID); err != nil || !read.TOTP {
		t.Errorf("user = %+v, %v", read, err)
	}
	accountstest.WantError(t, "login without a code", enter(t, a, ""), people.ErrCodeRequired)
	if err := a.Logins.RemoveTOTP(ctx, user.ID, "wrong wrong wrong"); !errors.As(err, &bad) {
		t.Errorf("removing without the password: %v", err)
	}
	if err := a.Logins.RemoveTOTP(ctx, user.ID, accountstest.GoodPassword); err != nil {
		t.Fatal(err)
	}
	if err := enter(t, a, ""); err != nil {
		t.Errorf("login after the removal: %v", err)
	}
	accountstest.WantError(t, "removing nothing", a.Logins.RemoveTOTP(ctx, user.ID, accountstest.GoodPassword), postgres.ErrNotFound)
}

func TestACodeCountsOnce(t *testing.T) {
	a := accountstest.Open(t)
	_, secret, recovery := enrolled(t, a)
	accountstest.WantError(t, "the code of the confirmation", enter(t, a, codeOf(t, secret, 0)), people.ErrCodeWrong)
	next := codeOf(t, secret, 1)
	if err := enter(t, a, next[:3]+" "+next[3:]); err != nil {
		t.Errorf("the next code: %v", err)
	}
	accountstest.WantError(t, "the same again", enter(t, a, next), people.ErrCodeWrong)
	accountstest.WantError(t, "one of the past", enter(t, a, codeOf(t, secret, -1)), people.ErrCodeWrong)
	if err := enter(t, a, strings.ToUpper(recovery[3])); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	accountstest.WantError(t, "the same recovery code", enter(t, a, recovery[3]), people.ErrCodeWrong)
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if enter(t, a, recovery[4]) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 logins at once with one recovery code succeed", won.Load())
	}
}

func TestGuessingCodesIsSlow(t *testing.T) {
	a := accountstest.Open(t)
	user, secret, _ := enrolled(t, a)
	for range people.FreeCodes {
		accountstest.WantError(t, "a guess", enter(t, a, "000000x"), people.ErrCodeWrong)
	}
	var wait *people.WaitError
	if err := enter(t, a, codeOf(t, secret, 1)); !errors.As(err, &wait) || wait.Wait > time.Second {
		t.Fatalf("the guess after %d: %v", people.FreeCodes, err)
	}
	accountstest.Exec(t, a, `UPDATE totp SET failed = 1000, failed_at = clock_timestamp() - interval '4 minutes'`)
	if err := enter(t, a, codeOf(t, secret, 1)); !errors.As(err, &wait) || wait.Wait > time.Minute {
		t.Fatalf("after many: %v", err)
	}
	accountstest.Exec(t, a, `UPDATE totp SET failed_at = clock_timestamp() - interval '6 minutes'`)
	if err := enter(t, a, codeOf(t, secret, 1)); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	entries, err := a.Audit(t.Context(), postgres.AuditPage{Limit: 10, Action: "totp.check"})
	if err != nil || len(entries) != people.FreeCodes || entries[0].Outcome != postgres.Failure || entries[0].Target != user.ID {
		t.Errorf("audit = %+v, %v", entries, err)
	}
}

func TestSecretsOfTheSecondFactorAreSealed(t *testing.T) {
	a := accountstest.Open(t)
	user, secret, recovery := enrolled(t, a)
	var sealed []byte
	var everything string
	if err := a.Pool.QueryRow(t.Context(), `SELECT sealed, (SELECT string_agg(l::text, ' ') FROM audit_log l) || (SELECT string_agg(r::text, ' ') FROM recovery_codes r)
		FROM totp`).Scan(&sealed, &everything); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(secret)) || strings.Contains(everything, secret) || strings.Contains(everything, recovery[0]) {
		t.Error("the database holds a secret in the clear")
	}
	other := accountstest.Owner(t, a, "p@example.com")
	accountstest.Exec(t, a, `INSERT INTO totp (user_id, sealed, confirmed_at) SELECT $1, sealed, now() FROM totp WHERE user_id = $2`, other.ID, user.ID)
	if _, _, err := a.Logins.Login(t.Context(), people.Login{Email: "p@example.com", Password: accountstest.GoodPassword, Code: codeOf(t, secret, 1)}); err == nil {
		t.Error("the secret of one person opens the account of another")
	}
}

func TestAnOwnerClearsALostSecondFactor(t *testing.T) {
	a := accountstest.Open(t)
	user, _, recovery := enrolled(t, a)
	boss := accountstest.Owner(t, a, "boss@example.com")
	session, _, err := a.Logins.Login(t.Context(), people.Login{Email: "o@example.com", Password: accountstest.GoodPassword, Code: recovery[0]})
	if err != nil {
		t.Fatal(err)
	}
	small, err := a.People.CreateUser(t.Context(), people.NewUser{Email: "s@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "clearing from below", a.Logins.ClearTOTP(accountstest.As(t.Context(), small), user.ID), people.ErrNotHeld)
	if err := a.Logins.ClearTOTP(accountstest.As(t.Context(), boss), user.ID); err != nil {
		t.Fatal(err)
	}
	_, err = a.Logins.Session(t.Context(), session.ID)
	accountstest.WantError(t, "a session of before", err, postgres.ErrNotFound)
	if err := enter(t, a, ""); err != nil {
		t.Errorf("login after it: %v", err)
	}
}
