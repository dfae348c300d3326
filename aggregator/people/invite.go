package people

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// How long links are good, and their form. There is no mail server here: whoever makes a link
// hands it to the person in a way that both trust.
const (
	invitationLife = 72 * time.Hour
	resetLife      = 24 * time.Hour
	linkPrefix     = "ul_"
	linkBytes      = 32
	// The token is the fragment of the URL, which browsers send to nobody: no log and no referrer has it.
	linkPath = "/accept#"
)

// ErrLink means that a link is unknown, expired, replaced or used.
var ErrLink = errors.New("the link is not valid")

// PasswordLink lets one person set their password once. It is shown once.
type PasswordLink struct {
	Token   string    `json:"token"`
	Path    string    `json:"path"` // in the console
	Expires time.Time `json:"expires_at"`
}

// Invite makes a person who sets their password themselves, with the link. The actor must hold every
// role that is given.
func (a *People) Invite(ctx context.Context, person NewUser) (User, PasswordLink, error) {
	if person.Kind == Service || person.Password != "" {
		return User{}, PasswordLink{}, postgres.Invalid("only a person without a password is invited")
	}
	var link PasswordLink
	user, err := a.createUser(ctx, person, func(tx pgx.Tx, user string) (err error) {
		link, err = makeLink(ctx, tx, user, invitationLife)
		return err
	})
	return user, link, err
}

// ResetLink makes a link for a person who forgot their password, or who let their invitation expire. It
// takes the place of the one before. The password and the sessions stay until it is used.
func (a *People) ResetLink(ctx context.Context, user string) (PasswordLink, error) {
	var link PasswordLink
	_, err := a.changeUser(ctx, "user.link", user, func(tx pgx.Tx, u *User) (err error) {
		if u.Kind == Service {
			return postgres.Invalid("a service account has no password: it acts through API tokens")
		}
		link, err = makeLink(ctx, tx, user, resetLife)
		return err
	})
	return link, err
}

func makeLink(ctx context.Context, tx pgx.Tx, user string, life time.Duration) (PasswordLink, error) {
	token, err := postgres.NewToken(linkPrefix, linkBytes)
	if err != nil {
		return PasswordLink{}, err
	}
	hash := sha256.Sum256([]byte(token))
	link := PasswordLink{Token: token, Path: linkPath + token}
	err = tx.QueryRow(ctx, `INSERT INTO password_links (user_id, hash, expires_at) VALUES ($1, $2, now() + $3::bigint * interval '1 millisecond')
		ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at, created_at = now()
		RETURNING expires_at`, user, hash[:], life.Milliseconds()).Scan(&link.Expires)
	if err != nil {
		return PasswordLink{}, fmt.Errorf("store link: %w", err)
	}
	link.Expires = link.Expires.UTC()
	return link, nil
}

// Accept sets the password of the person whose link it is, uses the link up and ends their sessions and
// API tokens.
// A second factor stays in force.
func (a *People) Accept(ctx context.Context, token, password string) error {
	hash := sha256.Sum256([]byte(strings.TrimSpace(token)))
	// Whoever has no link must not make us compute a hash.
	user, err := linkOwner(ctx, a.pool, hash[:])
	if err != nil {
		return postgres.Wrap("look for link", err)
	}
	if err := a.validPasswordOf(ctx, user, password); err != nil {
		return err
	}
	phc, err := a.hashPassword(ctx, password)
	if err != nil {
		return err
	}
	return a.pool.Change(ctx, "accept link", func(tx pgx.Tx) error {
		user, err := linkOwner(ctx, tx, hash[:])
		if err != nil {
			return err
		}
		if _, err := lockUser(ctx, tx, user); err != nil {
			return err
		}
		if err := setPassword(ctx, tx, user, phc); err != nil {
			return err
		}
		if err := revokeSessions(ctx, tx, user, "", "password set"); err != nil {
			return err
		}
		if err := announcePerson(ctx, tx, user); err != nil {
			return err
		}
		return postgres.Audit(postgres.WithActor(ctx, withID(postgres.ActorOf(ctx), "user", user)), tx, postgres.Happened{Action: "user.accept", Target: user})
	})
}

// linkOwner returns ErrLink for anything that is not a link in force. In a transaction, nobody else can
// use the link until it ends.
func linkOwner(ctx context.Context, q querier, hash []byte) (user string, err error) {
	err = q.QueryRow(ctx, `SELECT l.user_id FROM password_links l JOIN users u ON u.id = l.user_id
		WHERE l.hash = $1 AND l.expires_at > clock_timestamp() AND NOT u.disabled FOR UPDATE OF l`, hash).Scan(&user)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrLink
	}
	return user, err
}

// setPassword stores a new password, voids the link with which another could be set, and ends the API
// tokens: whoever got hold of the account may have made some.
func setPassword(ctx context.Context, tx pgx.Tx, user, phc string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM password_links WHERE user_id = $1`, user); err != nil {
		return fmt.Errorf("void links: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE users SET password = $2 WHERE id = $1`, user, phc); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE api_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL`, user); err != nil {
		return fmt.Errorf("end tokens: %w", err)
	}
	return nil
}
