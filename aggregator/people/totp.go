package people

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// The second factor: TOTP of RFC 6238 as every authenticator app computes it.
const (
	totpIssuer    = "UnMoGrowP"
	totpPeriod    = 30 // seconds
	totpSkew      = 1  // periods by which the phone's clock may be off
	freeCodes     = 5  // wrong codes before any delay
	maxCodeDelay  = 5 * time.Minute
	recoveryCodes = 10
	recoveryBytes = 10 // of entropy: too many to try, so that no slow hash is needed
	maxCodeBytes  = 64
)

// Errors of the second factor.
var (
	ErrCodeRequired = errors.New("the second factor is missing")
	ErrCodeWrong    = errors.New("the second factor is wrong")
)

// WaitError means that too many codes were wrong and when the next may be tried.
type WaitError struct{ Wait time.Duration }

// Error says how long to wait.
func (e *WaitError) Error() string { return fmt.Sprintf("wait %s before the next code", e.Wait) }

// TOTPState is what people see of their second factor.
type TOTPState struct {
	Enabled  bool `json:"enabled"`
	Pending  bool `json:"pending"` // enrolled, but its first code was not shown yet
	Recovery int  `json:"recovery_codes_left"`
}

// TOTPSecret is shown once, to be put into an authenticator app.
type TOTPSecret struct {
	Secret string `json:"secret"`
	URL    string `json:"url"` // the same as otpauth:// URL, for a QR code
}

// factor is a second factor as it is stored, locked until the transaction ends.
type factor struct {
	secret    string
	confirmed bool
	lastStep  int64
	failed    int
	since     time.Duration // since the last wrong code
	now       int64         // seconds since the Unix epoch, by the database's clock
}

// TOTP tells the state of a person's second factor.
func (a *Logins) TOTP(ctx context.Context, user string) (s TOTPState, err error) {
	err = a.pool.QueryRow(ctx, `SELECT
			EXISTS (SELECT FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL),
			EXISTS (SELECT FROM totp WHERE user_id = $1 AND confirmed_at IS NULL),
			(SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL)`, user).Scan(&s.Enabled, &s.Pending, &s.Recovery)
	return s, postgres.Wrap("read second factor", err)
}

// EnrolTOTP makes a secret for a person who knows their password. It counts once [Accounts.ConfirmTOTP]
// has seen a code of it; until then it may be made again.
func (a *Logins) EnrolTOTP(ctx context.Context, user, current string) (TOTPSecret, error) {
	if err := a.people.checkOwn(ctx, user, current); err != nil {
		return TOTPSecret{}, err
	}
	var made TOTPSecret
	err := a.pool.Change(ctx, "enrol second factor", func(tx pgx.Tx) error {
		person, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if person.TOTP {
			return postgres.ErrExists
		}
		key, err := totp.Generate(totp.GenerateOpts{Issuer: totpIssuer, AccountName: person.Email, Period: totpPeriod})
		if err != nil {
			return fmt.Errorf("make secret: %w", err)
		}
		made = TOTPSecret{Secret: key.Secret(), URL: key.URL()}
		sealed, err := a.pool.Seal(ctx, tx, factorName(user), []byte(made.Secret))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO totp (user_id, sealed) VALUES ($1, $2)
			ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, failed = 0, failed_at = NULL`, user, sealed)
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "me.totp.enrol", Target: user})
	})
	return made, err
}

func factorName(user string) string { return postgres.FactorLabel + user }

// ConfirmTOTP puts the enrolled secret into force if the code is of it. It returns recovery codes that
// each stand in for a code once, and ends the person's other sessions.
func (a *Logins) ConfirmTOTP(ctx context.Context, user, session, code string) ([]string, error) {
	var codes []string
	err := a.withFactor(ctx, user, func(tx pgx.Tx, f *factor) (error, error) {
		if f.confirmed {
			return nil, pgx.ErrNoRows // nothing waits to be confirmed
		}
		verdict, err := f.try(ctx, tx, user, digits(code))
		if err != nil || verdict != nil {
			return verdict, err
		}
		if _, err := tx.Exec(ctx, `UPDATE totp SET confirmed_at = now() WHERE user_id = $1`, user); err != nil {
			return nil, err
		}
		if codes, err = mintRecovery(ctx, tx, user); err != nil {
			return nil, err
		}
		if err := revokeSessions(ctx, tx, user, session, "second factor added"); err != nil {
			return nil, err
		}
		if err := announcePerson(ctx, tx, user); err != nil {
			return nil, err
		}
		return nil, postgres.Audit(ctx, tx, postgres.Happened{Action: "me.totp.enable", Target: user})
	})
	if errors.Is(err, ErrCodeWrong) {
		err = postgres.Invalid("the code is not the one that the app shows now: check the clock of the phone")
	}
	return codes, err
}

// mintRecovery replaces a person's recovery codes.
func mintRecovery(ctx context.Context, tx pgx.Tx, user string) ([]string, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM recovery_codes WHERE user_id = $1`, user); err != nil {
		return nil, err
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		code, err := postgres.NewToken("", recoveryBytes)
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO recovery_codes (hash, user_id) VALUES ($1, $2)`, recoveryHash(user, code), user); err != nil {
			return nil, err
		}
		codes[i] = code[:4] + "-" + code[4:8] + "-" + code[8:12] + "-" + code[12:]
	}
	return codes, nil
}

func recoveryHash(user, code string) []byte {
	sum := sha256.Sum256([]byte(user + "\n" + code))
	return sum[:]
}

// RemoveTOTP takes the second factor of a person away who knows their password.
func (a *Logins) RemoveTOTP(ctx context.Context, user, current string) error {
	if err := a.people.checkOwn(ctx, user, current); err != nil {
		return err
	}
	return a.pool.Change(ctx, "remove second factor", func(tx pgx.Tx) error {
		if err := dropFactor(ctx, tx, user); err != nil {
			return err
		}
		if err := announcePerson(ctx, tx, user); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "me.totp.disable", Target: user})
	})
}

// ClearTOTP takes the second factor of somebody away who lost their phone, and ends their sessions.
func (a *Logins) ClearTOTP(ctx context.Context, user string) error {
	_, err := a.people.changeUser(ctx, "user.totp.clear", user, func(tx pgx.Tx, u *User) error {
		if err := dropFactor(ctx, tx, user); err != nil {
			return err
		}
		u.TOTP = false
		return revokeSessions(ctx, tx, user, "", "second factor removed")
	})
	return err
}

// dropFactor returns pgx.ErrNoRows if there is none.
func dropFactor(ctx context.Context, tx pgx.Tx, user string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM recovery_codes WHERE user_id = $1`, user); err != nil {
		return err
	}
	done, err := tx.Exec(ctx, `DELETE FROM totp WHERE user_id = $1`, user)
	if err == nil && done.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return err
}

// checkFactor returns nil if the person has no second factor or the code is right: the present one of
// their app, or one of their recovery codes. A code counts once.
func (a *Logins) checkFactor(ctx context.Context, user, code string) error {
	err := a.withFactor(ctx, user, func(tx pgx.Tx, f *factor) (error, error) {
		switch code = digits(code); {
		case !f.confirmed:
			return nil, nil
		case code == "":
			return ErrCodeRequired, nil
		}
		return f.try(ctx, tx, user, code)
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return nil
	}
	return err
}

// withFactor runs a transaction on a person's second factor, locked. It commits also when do comes to
// a verdict against the code, so that the failure is counted, and returns the verdict.
func (a *Logins) withFactor(ctx context.Context, user string, do func(pgx.Tx, *factor) (verdict, err error)) error {
	var verdict error
	err := a.pool.Change(ctx, "check second factor", func(tx pgx.Tx) error {
		var f factor
		var sealed []byte
		var since float64
		err := tx.QueryRow(ctx, `SELECT sealed, confirmed_at IS NOT NULL, last_step, failed, extract(epoch FROM clock_timestamp())::bigint,
				coalesce(extract(epoch FROM clock_timestamp() - failed_at), 0)::float8
			FROM totp WHERE user_id = $1 FOR UPDATE`, user).Scan(&sealed, &f.confirmed, &f.lastStep, &f.failed, &f.now, &since)
		if err != nil {
			return err
		}
		secret, err := a.pool.Unseal(factorName(user), sealed)
		if err != nil {
			return err
		}
		f.secret, f.since = string(secret), time.Duration(since*float64(time.Second))
		verdict, err = do(tx, &f)
		return err
	})
	if err != nil {
		return err
	}
	return verdict
}

// try checks a code and counts the outcome. A right code is used up.
func (f *factor) try(ctx context.Context, tx pgx.Tx, user, code string) (verdict, err error) {
	if wait := f.delay() - f.since; wait > 0 {
		return &WaitError{Wait: wait}, nil
	}
	ok, err := f.use(ctx, tx, user, code)
	if err != nil {
		return nil, err
	}
	if ok {
		_, err = tx.Exec(ctx, `UPDATE totp SET failed = 0, failed_at = NULL WHERE user_id = $1`, user)
		return nil, err
	}
	if _, err = tx.Exec(ctx, `UPDATE totp SET failed = least(failed, 1000) + 1, failed_at = clock_timestamp() WHERE user_id = $1`, user); err != nil {
		return nil, err
	}
	return ErrCodeWrong, postgres.Audit(ctx, tx, postgres.Happened{Action: "totp.check", Outcome: postgres.Failure, Target: user})
}

// delay is how long after the last wrong code the next may be tried, wherever it comes from: whoever
// gets here knows the password.
func (f *factor) delay() time.Duration {
	if f.failed < freeCodes {
		return 0
	}
	return time.Duration(min(math.Pow(2, float64(f.failed-freeCodes)), maxCodeDelay.Seconds())) * time.Second
}

// use looks for the code among those of the present time, then among the recovery codes, and uses it up.
func (f *factor) use(ctx context.Context, tx pgx.Tx, user, code string) (bool, error) {
	if len(code) != otp.DigitsSix.Length() {
		done, err := tx.Exec(ctx, `UPDATE recovery_codes SET used_at = now() WHERE hash = $1 AND user_id = $2 AND used_at IS NULL`, recoveryHash(user, code), user)
		return err == nil && done.RowsAffected() == 1 && f.confirmed, err
	}
	present := f.now / totpPeriod
	for step := max(present-totpSkew, f.lastStep+1); step <= present+totpSkew; step++ {
		want, err := hotp.GenerateCodeCustom(f.secret, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return false, fmt.Errorf("compute code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			_, err := tx.Exec(ctx, `UPDATE totp SET last_step = $2 WHERE user_id = $1`, user, step)
			return err == nil, err
		}
	}
	return false, nil
}

// digits takes away what people add when they copy a code: spaces, dashes, capitals.
func digits(code string) string {
	if len(code) > maxCodeBytes {
		return "too long"
	}
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
}
