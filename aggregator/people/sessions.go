package people

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// How long logins last.
const (
	sessionLife  = 12 * time.Hour   // after that one logs in again, whatever was refreshed
	replayWindow = 10 * time.Second // in which a used refresh token gives the same successor again
	refreshBytes = 32
	maxSessions  = 50 // of one person; the oldest end
)

// Login is an attempt to log in.
type Login struct {
	Email, Password string
	Code            string // of the second factor, of whoever has one
	IP, UserAgent   string
}

// Session is one login with everything that was refreshed from it, or the session of an API token.
type Session struct {
	ID        string    `json:"id"` // empty for an API token
	User      User      `json:"-"`
	Token     *Token    `json:"-"`
	Created   time.Time `json:"created_at"`
	Expires   time.Time `json:"expires_at"`
	LastUsed  time.Time `json:"last_used_at"`
	IP        string    `json:"ip"`
	UserAgent string    `json:"user_agent"`
}

// Limit bounds the session if it is an API token's; nil means that its user's roles are the only bound.
func (s *Session) Limit() *access.Limit {
	if s.Token == nil {
		return nil
	}
	return &access.Limit{Permissions: s.Token.Permissions, Apps: s.Token.Apps}
}

// Login checks a password and opens a session. It returns the session's first refresh token. Every
// refusal is ErrUnauthorized and takes the same time, whoever was named; ErrBusy is not a refusal.
// Only whoever knows the password hears of a second factor, or that passwords are off: ErrCodeRequired,
// ErrCodeWrong, WaitError, ErrProviderOnly.
func (a *Logins) Login(ctx context.Context, login Login) (Session, string, error) {
	email, err := normalEmail(login.Email)
	if err != nil {
		email = ""
	}
	var id, hash string
	var disabled, elsewhere bool
	err = a.pool.QueryRow(ctx, `SELECT u.id, u.password, u.disabled, `+providerOnly+` FROM users u WHERE u.email = $1`, email).Scan(&id, &hash, &disabled, &elsewhere)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Session{}, "", postgres.Wrap("log in", err)
	}
	ok, err := a.people.checkPassword(ctx, hash, login.Password)
	if err != nil {
		return Session{}, "", postgres.Wrap("log in", err)
	}
	if !ok || disabled {
		ctx := postgres.WithActor(ctx, withID(postgres.ActorOf(ctx), "anonymous", ""))
		return Session{}, "", errors.Join(ErrUnauthorized, a.pool.Record(ctx, "login", postgres.Failure, id, "", nil))
	}
	ctx = postgres.WithActor(ctx, withID(postgres.ActorOf(ctx), "user", id))
	if elsewhere {
		return Session{}, "", errors.Join(ErrProviderOnly, a.pool.Record(ctx, "login", postgres.Denied, id, "", map[string]any{"reason": "provider_only"}))
	}
	if err := a.checkFactor(ctx, id, login.Code); err != nil {
		return Session{}, "", err
	}
	return a.openSession(ctx, id, login, opening{action: "login"})
}

// providerOnly says of user u whether passwords are off for them.
const providerOnly = `EXISTS (SELECT FROM identities i JOIN oidc_provider p ON p.issuer = i.issuer WHERE i.user_id = u.id AND p.passwords_off
	AND NOT EXISTS (SELECT FROM role_assignments r WHERE r.user_id = u.id AND r.role = 'owner' AND r.all_apps))`

// opening is what else belongs to a login: the code of its audit entry, and changes in its transaction,
// if there are any.
type opening struct {
	action  string
	besides func(tx pgx.Tx) error
}

func withID(actor postgres.Actor, kind, id string) postgres.Actor {
	actor.Kind, actor.ID = kind, id
	return actor
}

func (a *Logins) openSession(ctx context.Context, user string, login Login, how opening) (Session, string, error) {
	id, err := postgres.NewID()
	if err != nil {
		return Session{}, "", err
	}
	token := make([]byte, refreshBytes)
	if _, err := rand.Read(token); err != nil {
		return Session{}, "", fmt.Errorf("make refresh token: %w", err)
	}
	s := Session{ID: id, IP: postgres.Clip(login.IP), UserAgent: postgres.Clip(login.UserAgent)}
	err = a.pool.Change(ctx, "open session", func(tx pgx.Tx) error {
		if s.User, err = lockUser(ctx, tx, user); err != nil {
			return err
		}
		if s.User.Disabled {
			return ErrUnauthorized
		}
		err := tx.QueryRow(ctx, `INSERT INTO sessions (id, user_id, expires_at, ip, user_agent)
			VALUES ($1, $2, now() + $3::bigint * interval '1 millisecond', $4, $5) RETURNING created_at, expires_at, last_used_at`,
			id, user, sessionLife.Milliseconds(), s.IP, s.UserAgent).Scan(&s.Created, &s.Expires, &s.LastUsed)
		if err != nil {
			return err
		}
		if err := addRefresh(ctx, tx, id, token); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET last_login_at = now() WHERE id = $1`, user); err != nil {
			return err
		}
		if err := tidySessions(ctx, tx, user); err != nil {
			return err
		}
		if how.besides != nil {
			if err := how.besides(tx); err != nil {
				return err
			}
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: how.action, Target: user, Detail: map[string]any{"session": id}})
	})
	return s, base64.RawURLEncoding.EncodeToString(token), err
}

func addRefresh(ctx context.Context, tx pgx.Tx, session string, token []byte) error {
	hash := sha256.Sum256(token)
	_, err := tx.Exec(ctx, `INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)`, hash[:], session)
	return err
}

// tidySessions forgets sessions that ended long ago and ends a person's oldest ones above the limit.
func tidySessions(ctx context.Context, tx pgx.Tx, user string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE user_id = $1 AND expires_at < now() - interval '7 days'`, user); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE sessions SET revoked_at = now(), revoked_reason = 'too many sessions' WHERE id IN (
		SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() ORDER BY created_at DESC OFFSET $2)`, user, maxSessions)
	return err
}

// refreshing is a refresh token as it is stored.
type refreshing struct {
	session string
	user    string
	live    bool // the session is not revoked nor expired, and the person not disabled
	used    bool
	replay  bool // used so short ago that the answer may have been lost
}

// Refresh uses a refresh token up and returns its successor. A token that was used already gives the
// same successor for ten seconds; after that, somebody has stolen it, and the whole session ends.
func (a *Logins) Refresh(ctx context.Context, token string) (Session, string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != refreshBytes {
		return Session{}, "", ErrUnauthorized
	}
	next, err := a.successor(ctx, raw)
	if err != nil {
		return Session{}, "", err
	}
	var s Session
	refused := false
	err = a.pool.Change(ctx, "refresh session", func(tx pgx.Tx) error {
		refused = false
		r, err := lockRefresh(ctx, tx, raw)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrUnauthorized
		case err != nil:
			return err
		case !r.live:
			return ErrUnauthorized
		case r.used && !r.replay:
			refused = true // and commit the end of the session
			return endStolen(postgres.WithActor(ctx, withID(postgres.ActorOf(ctx), "user", r.user)), tx, r)
		case !r.used:
			hash := sha256.Sum256(raw)
			if _, err := tx.Exec(ctx, `UPDATE refresh_tokens SET used_at = now() WHERE hash = $1`, hash[:]); err != nil {
				return err
			}
			if err := addRefresh(ctx, tx, r.session, next); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE sessions SET last_used_at = now() WHERE id = $1`, r.session); err != nil {
				return err
			}
		}
		s, err = readSession(ctx, tx, r.session)
		return err
	})
	if err == nil && refused {
		err = fmt.Errorf("refresh token used twice: %w", ErrUnauthorized)
	}
	if err != nil {
		return Session{}, "", err
	}
	return s, base64.RawURLEncoding.EncodeToString(next), nil
}

func lockRefresh(ctx context.Context, tx pgx.Tx, token []byte) (r refreshing, err error) {
	hash := sha256.Sum256(token)
	// The session's row is the lock of all of its tokens.
	err = tx.QueryRow(ctx, `SELECT s.id FROM sessions s JOIN refresh_tokens t ON t.session_id = s.id WHERE t.hash = $1 FOR UPDATE OF s`, hash[:]).Scan(&r.session)
	if err != nil {
		return r, err
	}
	err = tx.QueryRow(ctx, `SELECT s.user_id, s.revoked_at IS NULL AND s.expires_at > clock_timestamp() AND NOT u.disabled, t.used_at IS NOT NULL,
			coalesce(t.used_at > clock_timestamp() - $2::bigint * interval '1 millisecond', false)
		FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id WHERE t.hash = $1`,
		hash[:], replayWindow.Milliseconds()).Scan(&r.user, &r.live, &r.used, &r.replay)
	return r, err
}

func endStolen(ctx context.Context, tx pgx.Tx, r refreshing) error {
	_, err := tx.Exec(ctx, `UPDATE sessions SET revoked_at = now(), revoked_reason = 'refresh token used twice' WHERE id = $1`, r.session)
	if err != nil {
		return err
	}
	if err := announcePerson(ctx, tx, r.user); err != nil {
		return err
	}
	return postgres.Audit(ctx, tx, postgres.Happened{Action: "session.reuse", Outcome: postgres.Denied, Target: r.user, Detail: map[string]any{"session": r.session}})
}

const sessionColumns = `s.id, s.created_at, s.expires_at, s.last_used_at, s.ip, s.user_agent`

func (s *Session) fields() []any {
	return []any{&s.ID, &s.Created, &s.Expires, &s.LastUsed, &s.IP, &s.UserAgent}
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readSession(ctx context.Context, q querier, id string) (s Session, err error) {
	err = q.QueryRow(ctx, `SELECT `+sessionColumns+`, `+userColumns+` FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp() AND NOT u.disabled`, id).
		Scan(append(s.fields(), s.User.fields()...)...)
	return s, err
}

// Session returns a session that has not ended, and ErrNotFound for any other.
func (a *Logins) Session(ctx context.Context, id string) (Session, error) {
	s, err := readSession(ctx, a.pool, id)
	return s, postgres.Wrap("read session", err)
}

// Sessions lists the sessions of a person that have not ended, newest first.
func (a *Logins) Sessions(ctx context.Context, user string) ([]Session, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+sessionColumns+` FROM sessions s
		WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > now() ORDER BY s.created_at DESC`, user)
	if err != nil {
		return nil, postgres.Wrap("list sessions", err)
	}
	sessions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Session, err error) {
		err = row.Scan(s.fields()...)
		return s, err
	})
	return sessions, postgres.Wrap("list sessions", err)
}

// EndSession ends one session of a person.
func (a *Logins) EndSession(ctx context.Context, user, id string) error {
	return a.pool.Change(ctx, "end session", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE sessions SET revoked_at = now(), revoked_reason = 'ended' WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL`, user, id)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		if err := announcePerson(ctx, tx, user); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "session.end", Target: user, Detail: map[string]any{"session": id}})
	})
}

// Logout ends the session of a refresh token, even of one that was used. It does nothing for any
// other string.
func (a *Logins) Logout(ctx context.Context, token string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSpace(token))
	if err != nil || len(raw) != refreshBytes {
		return nil
	}
	hash := sha256.Sum256(raw)
	var user, session string
	err = a.pool.QueryRow(ctx, `SELECT s.user_id, s.id FROM sessions s JOIN refresh_tokens t ON t.session_id = s.id
		WHERE t.hash = $1 AND s.revoked_at IS NULL`, hash[:]).Scan(&user, &session)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return postgres.Wrap("log out", err)
	}
	err = a.EndSession(postgres.WithActor(ctx, withID(postgres.ActorOf(ctx), "user", user)), user, session)
	if errors.Is(err, postgres.ErrNotFound) {
		return nil // somebody was faster
	}
	return err
}

// revokeSessions ends every session of a person but one.
func revokeSessions(ctx context.Context, tx pgx.Tx, user, except, reason string) error {
	_, err := tx.Exec(ctx, `UPDATE sessions SET revoked_at = now(), revoked_reason = $3 WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL`, user, except, reason)
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}
