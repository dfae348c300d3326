package people

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// How long a login at the provider may take, how long one that the provider vouched for waits for the
// second factor, and how many may be on their way: above that the oldest are given up.
const (
	attemptLife = 10 * time.Minute
	factorLife  = 5 * time.Minute
	maxAttempts = 10_000
)

// BeginAttempt notes that a browser goes to the provider, and where it wants to be afterwards. The hash
// is of the secret that its cookie holds.
func (a *Logins) BeginAttempt(ctx context.Context, hash []byte, returnTo string) error {
	return a.pool.Change(ctx, "begin login at provider", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM oidc_attempts WHERE expires_at < clock_timestamp() OR hash IN (
			SELECT hash FROM oidc_attempts ORDER BY expires_at DESC OFFSET $1)`, maxAttempts-1)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO oidc_attempts (hash, return_to, expires_at) VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 millisecond')`,
			hash, returnTo, attemptLife.Milliseconds())
		return err
	})
}

// TakeAttempt uses an attempt up and says where its browser wants to be. It returns ErrNotFound for one
// that is unknown, expired or used.
func (a *Logins) TakeAttempt(ctx context.Context, hash []byte) (returnTo string, err error) {
	err = a.pool.QueryRow(ctx, `DELETE FROM oidc_attempts WHERE hash = $1 AND user_id IS NULL AND expires_at > clock_timestamp() RETURNING return_to`, hash).Scan(&returnTo)
	return returnTo, postgres.Wrap("take login at provider", err)
}

// awaitFactor notes that the provider vouched for a person who now owes their second factor.
func (a *Logins) awaitFactor(ctx context.Context, login IdentityLogin, user string) error {
	vouched, err := json.Marshal(login.Vouched)
	if err != nil {
		return err
	}
	_, err = a.pool.Exec(ctx, `INSERT INTO oidc_attempts (hash, return_to, user_id, vouched, expires_at)
		VALUES ($1, '', $2, $3, clock_timestamp() + $4::bigint * interval '1 millisecond')`, login.Waiting, user, string(vouched), factorLife.Milliseconds())
	return postgres.Wrap("await second factor", err)
}

// LoginFactor opens the session of somebody for whom the provider vouched and who now shows their second
// factor. Errors are those of Login, and ErrNotFound if nobody waits, or has waited for too long.
func (a *Logins) LoginFactor(ctx context.Context, hash []byte, login Login) (Session, string, error) {
	var user string
	var raw []byte
	err := a.pool.QueryRow(ctx, `SELECT user_id, vouched FROM oidc_attempts
		WHERE hash = $1 AND user_id IS NOT NULL AND expires_at > clock_timestamp()`, hash).Scan(&user, &raw)
	if err != nil {
		return Session{}, "", postgres.Wrap("read login at provider", err)
	}
	var vouched Vouched
	if err := json.Unmarshal(raw, &vouched); err != nil {
		return Session{}, "", postgres.Wrap("read login at provider", err)
	}
	ctx = postgres.WithActor(ctx, withID(postgres.ActorOf(ctx), "user", user))
	if err := a.checkFactor(ctx, user, login.Code); err != nil {
		return Session{}, "", err
	}
	return a.openVouched(ctx, user, vouched, login, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM oidc_attempts WHERE hash = $1`, hash)
		if err == nil && done.RowsAffected() == 0 {
			err = pgx.ErrNoRows // somebody was faster
		}
		return err
	})
}
