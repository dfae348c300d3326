package people

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// TokenPrefix begins every API token, so that leaked ones are found by whoever searches for them.
const TokenPrefix = "ut_"

const (
	tokenPrefix  = 10 // characters of a token that are shown, to tell tokens apart
	tokenBytes   = 20 // of entropy
	maxTokens    = 50 // of one user
	maxTokenDays = 365
)

// Token is an API token without the secret. Within its limit it may do what its user may.
type Token struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Prefix      string              `json:"prefix"`
	Permissions []access.Permission `json:"permissions"`
	Apps        access.AppList      `json:"apps"`
	Created     time.Time           `json:"created_at"`
	Expires     time.Time           `json:"expires_at"`
	LastUsed    *time.Time          `json:"last_used_at"` // to about a minute
}

// NewToken describes a token to be.
type NewToken struct {
	Name        string              `json:"name"`
	Permissions []access.Permission `json:"permissions"`
	Apps        access.AppList      `json:"apps"`
	ExpiresDays int                 `json:"expires_in_days"`
}

func (n *NewToken) limit() access.Limit {
	return access.Limit{Permissions: n.Permissions, Apps: n.Apps}
}

func (n *NewToken) validate() error {
	if n.Name == "" {
		return postgres.Invalid("name is missing: say what the token is for")
	}
	if err := postgres.ValidName("name", n.Name); err != nil {
		return err
	}
	if n.ExpiresDays < 1 || n.ExpiresDays > maxTokenDays {
		return postgres.Invalid("expires_in_days must be between 1 and %d", maxTokenDays)
	}
	if err := n.limit().Validate(); err != nil {
		return postgres.Invalid("%s", err)
	}
	return nil
}

// CreateToken makes a token of the actor's own, or of a service account all of whose roles the actor
// holds. It returns the token itself, which is not kept.
func (a *Logins) CreateToken(ctx context.Context, user string, wanted NewToken) (Token, string, error) {
	if err := wanted.validate(); err != nil {
		return Token{}, "", err
	}
	secret, err := postgres.NewToken(TokenPrefix, tokenBytes)
	if err != nil {
		return Token{}, "", err
	}
	id, err := postgres.NewID()
	if err != nil {
		return Token{}, "", err
	}
	hash := sha256.Sum256([]byte(secret))
	var token Token
	err = a.people.changePeople(ctx, "create token", func(tx pgx.Tx) error {
		owner, err := lockTokenOwner(ctx, tx, user, true)
		if err != nil {
			return err
		}
		if !access.Holds(owner.Principal(), wanted.limit()) {
			return ErrNotHeld
		}
		if err := tokenRoom(ctx, tx, user); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `INSERT INTO api_tokens AS t (id, user_id, name, prefix, hash, permissions, all_apps, apps, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9::int * interval '1 day') RETURNING `+tokenColumns,
			id, user, wanted.Name, secret[:tokenPrefix], hash[:], wanted.Permissions, wanted.Apps.All, postgres.NotNil(wanted.Apps.IDs), wanted.ExpiresDays)
		if err != nil {
			return err
		}
		if token, err = pgx.CollectExactlyOneRow(rows, scanToken); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "token.create", Target: user, Detail: token})
	})
	return token, secret, err
}

// lockTokenOwner reads whose token it is about. It must be the actor, or somebody who holds no more
// than the actor; a token that is made, not taken away, must be of a service account then: a token of
// another person would act in their name.
func lockTokenOwner(ctx context.Context, tx pgx.Tx, user string, making bool) (User, error) {
	owner, err := lockUser(ctx, tx, user)
	if err != nil {
		return User{}, err
	}
	actor := postgres.ActorOf(ctx)
	if actor.ID == user && actor.Limit == nil {
		return owner, nil
	}
	if making && owner.Kind != Service {
		return User{}, postgres.Invalid("tokens of a person are made by that person alone: create a service account")
	}
	return owner, mayGrant(ctx, tx, owner.Roles)
}

// tokenRoom refuses one token too many, after it has forgotten those that ended long ago.
func tokenRoom(ctx context.Context, tx pgx.Tx, user string) error {
	_, err := tx.Exec(ctx, `DELETE FROM api_tokens WHERE user_id = $1 AND least(expires_at, revoked_at) < now() - interval '30 days'`, user)
	if err != nil {
		return err
	}
	var count int
	err = tx.QueryRow(ctx, `SELECT count(*) FROM api_tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()`, user).Scan(&count)
	if err == nil && count >= maxTokens {
		err = postgres.Invalid("there are %d tokens, the limit is %d: revoke one first", count, maxTokens)
	}
	return err
}

const tokenColumns = `t.id, t.name, t.prefix, t.permissions, t.all_apps, t.apps, t.created_at, t.expires_at, t.last_used_at`

func (t *Token) fields() []any {
	return []any{&t.ID, &t.Name, &t.Prefix, &t.Permissions, &t.Apps.All, &t.Apps.IDs, &t.Created, &t.Expires, &t.LastUsed}
}

func scanToken(row pgx.CollectableRow) (t Token, err error) {
	err = row.Scan(t.fields()...)
	t.Created, t.Expires = t.Created.UTC(), t.Expires.UTC()
	return t, err
}

// Tokens lists the tokens of a user that have not ended, newest first.
func (a *Logins) Tokens(ctx context.Context, user string) ([]Token, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+tokenColumns+` FROM api_tokens t
		WHERE t.user_id = $1 AND t.revoked_at IS NULL AND t.expires_at > now() ORDER BY t.created_at DESC, t.id DESC`, user)
	if err != nil {
		return nil, postgres.Wrap("list tokens", err)
	}
	tokens, err := pgx.CollectRows(rows, scanToken)
	return tokens, postgres.Wrap("list tokens", err)
}

// RevokeToken ends a token. Every node refuses it within seconds.
func (a *Logins) RevokeToken(ctx context.Context, user, id string) error {
	return a.people.changePeople(ctx, "revoke token", func(tx pgx.Tx) error {
		if _, err := lockTokenOwner(ctx, tx, user, false); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, `UPDATE api_tokens SET revoked_at = now() WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL`, user, id)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return pgx.ErrNoRows
		}
		if err := announcePerson(ctx, tx, user); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "token.revoke", Target: user, Detail: map[string]any{"token": id}})
	})
}

// TokenSession returns the session of an API token: its user, with roles as far as the token reaches.
// It returns ErrNotFound for anything that is not a token in force.
func (a *Logins) TokenSession(ctx context.Context, token string) (Session, error) {
	if len(token) != len(TokenPrefix)+base32.StdEncoding.WithPadding(base32.NoPadding).EncodedLen(tokenBytes) || !strings.HasPrefix(token, TokenPrefix) {
		return Session{}, postgres.ErrNotFound
	}
	hash := sha256.Sum256([]byte(token))
	var t Token
	var s Session
	err := a.pool.QueryRow(ctx, `SELECT `+tokenColumns+`, `+userColumns+` FROM api_tokens t JOIN users u ON u.id = t.user_id
		WHERE t.hash = $1 AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp() AND NOT u.disabled`, hash[:]).
		Scan(append(t.fields(), s.User.fields()...)...)
	if err != nil {
		return Session{}, postgres.Wrap("read token", err)
	}
	s.Token, s.Created, s.Expires = &t, t.Created, t.Expires
	s.User.Roles = s.Limit().Within(s.User.Roles)
	_, err = a.pool.Exec(ctx, `UPDATE api_tokens SET last_used_at = now()
		WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`, t.ID)
	return s, postgres.Wrap("note use of token", err)
}
