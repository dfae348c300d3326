package accounts

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"
)

// codeOf is what the app on the phone shows, some periods from now.
func codeOf(t *testing.T, secret string, later int64) string {
	t.Helper()
	code, err := hotp.GenerateCode(secret, uint64(time.Now().Unix()/totpPeriod+later))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// enrolled makes an owner with a second factor. The present code is used up.
func enrolled(t *testing.T, a *Accounts) (user User, secret string, recovery []string) {
	t.Helper()
	user = owner(t, a, "o@example.com")
	made, err := a.EnrolTOTP(t.Context(), user.ID, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if recovery, err = a.ConfirmTOTP(t.Context(), user.ID, "", codeOf(t, made.Secret, 0)); err != nil {
		t.Fatal(err)
	}
	return user, made.Secret, recovery
}

func enter(t *testing.T, a *Accounts, code string) error {
	t.Helper()
	_, _, err := a.Login(t.Context(), Login{Email: "o@example.com", Password: goodPassword, Code: code})
	return err
}

func TestASecondFactorCountsOnceItIsConfirmed(t *testing.T) {
	a := openTest(t)
	ctx := t.Context()
	user := owner(t, a, "o@example.com")
	var bad *InvalidError
	if _, err := a.EnrolTOTP(ctx, user.ID, "wrong wrong wrong"); !errors.As(err, &bad) {
		t.Fatalf("enrolling without the password: %v", err)
	}
	first, err := a.EnrolTOTP(ctx, user.ID, goodPassword)
	if err != nil || !strings.HasPrefix(first.URL, "otpauth://totp/UnMoGrowP:o@example.com?") || !strings.Contains(first.URL, first.Secret) {
		t.Fatalf("enrolment = %+v, %v", first, err)
	}
	if err := enter(t, a, ""); err != nil {
		t.Errorf("a factor that is not confirmed is asked for: %v", err)
	}
	second, err := a.EnrolTOTP(ctx, user.ID, goodPassword)
	if err != nil || second.Secret == first.Secret {
		t.Fatalf("enrolling again: %+v, %v", second, err)
	}
	if _, err := a.ConfirmTOTP(ctx, user.ID, "", codeOf(t, first.Secret, 0)); !errors.As(err, &bad) {
		t.Errorf("a code of the replaced secret: %v", err)
	}
	codes, err := a.ConfirmTOTP(ctx, user.ID, "", codeOf(t, second.Secret, 0))
	if err != nil || len(codes) != recoveryCodes {
		t.Fatalf("confirmation = %v, %v", codes, err)
	}
	_, err = a.EnrolTOTP(ctx, user.ID, goodPassword)
	wantError(t, "enrolling over a factor in force", err, ErrExists)
	if state, err := a.TOTP(ctx, user.ID); err != nil || !state.Enabled || state.Pending || state.Recovery != recoveryCodes {
		t.Errorf("state = %+v, %v", state, err)
	}
	if read, err := a.User(ctx, user.ID); err != nil || !read.TOTP {
		t.Errorf("user = %+v, %v", read, err)
	}
	wantError(t, "login without a code", enter(t, a, ""), ErrCodeRequired)
	if err := a.RemoveTOTP(ctx, user.ID, "wrong wrong wrong"); !errors.As(err, &bad) {
		t.Errorf("removing without the password: %v", err)
	}
	if err := a.RemoveTOTP(ctx, user.ID, goodPassword); err != nil {
		t.Fatal(err)
	}
	if err := enter(t, a, ""); err != nil {
		t.Errorf("login after the removal: %v", err)
	}
	wantError(t, "removing nothing", a.RemoveTOTP(ctx, user.ID, goodPassword), ErrNotFound)
}

func TestACodeCountsOnce(t *testing.T) {
	a := openTest(t)
	_, secret, recovery := enrolled(t, a)
	wantError(t, "the code of the confirmation", enter(t, a, codeOf(t, secret, 0)), ErrCodeWrong)
	next := codeOf(t, secret, 1)
	if err := enter(t, a, next[:3]+" "+next[3:]); err != nil {
		t.Errorf("the next code: %v", err)
	}
	wantError(t, "the same again", enter(t, a, next), ErrCodeWrong)
	wantError(t, "one of the past", enter(t, a, codeOf(t, secret, -1)), ErrCodeWrong)
	if err := enter(t, a, strings.ToUpper(recovery[3])); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	wantError(t, "the same recovery code", enter(t, a, recovery[3]), ErrCodeWrong)
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
	a := openTest(t)
	user, secret, _ := enrolled(t, a)
	for range freeCodes {
		wantError(t, "a guess", enter(t, a, "000000x"), ErrCodeWrong)
	}
	var wait *WaitError
	if err := enter(t, a, codeOf(t, secret, 1)); !errors.As(err, &wait) || wait.Wait > time.Second {
		t.Fatalf("the guess after %d: %v", freeCodes, err)
	}
	exec(t, a, `UPDATE totp SET failed = 1000, failed_at = clock_timestamp() - interval '4 minutes'`)
	if err := enter(t, a, codeOf(t, secret, 1)); !errors.As(err, &wait) || wait.Wait > time.Minute {
		t.Fatalf("after many: %v", err)
	}
	exec(t, a, `UPDATE totp SET failed_at = clock_timestamp() - interval '6 minutes'`)
	if err := enter(t, a, codeOf(t, secret, 1)); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	entries, err := a.Audit(t.Context(), AuditPage{Limit: 10, Action: "totp.check"})
	if err != nil || len(entries) != freeCodes || entries[0].Outcome != Failure || entries[0].Target != user.ID {
		t.Errorf("audit = %+v, %v", entries, err)
	}
}

func TestSecretsOfTheSecondFactorAreSealed(t *testing.T) {
	a := openTest(t)
	user, secret, recovery := enrolled(t, a)
	var sealed []byte
	var everything string
	if err := a.pool.QueryRow(t.Context(), `SELECT sealed, (SELECT string_agg(l::text, ' ') FROM audit_log l) || (SELECT string_agg(r::text, ' ') FROM recovery_codes r)
		FROM totp`).Scan(&sealed, &everything); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(secret)) || strings.Contains(everything, secret) || strings.Contains(everything, recovery[0]) {
		t.Error("the database holds a secret in the clear")
	}
	other := owner(t, a, "p@example.com")
	exec(t, a, `INSERT INTO totp (user_id, sealed, confirmed_at) SELECT $1, sealed, now() FROM totp WHERE user_id = $2`, other.ID, user.ID)
	if _, _, err := a.Login(t.Context(), Login{Email: "p@example.com", Password: goodPassword, Code: codeOf(t, secret, 1)}); err == nil {
		t.Error("the secret of one person opens the account of another")
	}
}

func TestAnOwnerClearsALostSecondFactor(t *testing.T) {
	a := openTest(t)
	user, _, recovery := enrolled(t, a)
	boss := owner(t, a, "boss@example.com")
	session, _, err := a.Login(t.Context(), Login{Email: "o@example.com", Password: goodPassword, Code: recovery[0]})
	if err != nil {
		t.Fatal(err)
	}
	small, err := a.CreateUser(t.Context(), NewUser{Email: "s@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, "clearing from below", a.ClearTOTP(as(t.Context(), small), user.ID), ErrNotHeld)
	if err := a.ClearTOTP(as(t.Context(), boss), user.ID); err != nil {
		t.Fatal(err)
	}
	_, err = a.Session(t.Context(), session.ID)
	wantError(t, "a session of before", err, ErrNotFound)
	if err := enter(t, a, ""); err != nil {
		t.Errorf("login after it: %v", err)
	}
}
