package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Reasons why somebody for whom the provider vouches may not log in. They are stable: the audit log,
// metrics and the login page have them.
const (
	EmailUnverified = "email_unverified" // and nobody is linked yet
	UnknownPerson   = "person_unknown"   // nobody was invited, and nobody is created
	PersonDisabled  = "person_disabled"
	LinkedOtherwise = "linked_otherwise" // the person has another identity there, or the identity another person
	NotCreated      = "person_not_created"
)

// RefusedError means that the provider vouches for somebody who may not log in here.
type RefusedError struct {
	Reason string
	User   string // who it would have been, empty if nobody
}

// Error says why.
func (e *RefusedError) Error() string { return "login at provider refused: " + e.Reason }

// ErrProviderOnly means that the password is right, but this person logs in at the provider.
var ErrProviderOnly = errors.New("this person logs in at the provider only")

// Vouched is a person as a provider described them, after every check.
type Vouched struct {
	Issuer        string `json:"issuer"`
	Subject       string `json:"subject"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Name          string `json:"name"`
	MFA           bool   `json:"mfa"` // it asked for more than one factor
}

// IdentityLogin is a login for which a provider vouches.
type IdentityLogin struct {
	Vouched
	Provider Provider // as it is configured
	Waiting  []byte   // hash under which the login waits if a second factor is due

	IP, UserAgent string
}

// Identity is who a person is at a provider.
type Identity struct {
	ID       string    `json:"id"`
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
	Email    string    `json:"email"` // when it was linked
	Created  time.Time `json:"created_at"`
	LastUsed time.Time `json:"last_used_at"`
}

// match is a person whom a vouched identity may be.
type match struct {
	user     string
	linked   bool // by this very identity
	other    bool // by another identity of the same provider
	disabled bool
	factor   bool // has a second factor here
}

// LoginIdentity opens a session for whomever the provider vouches for: the person who is linked to the
// identity, else the one whose verified address it is, else, if the provider is configured so, a new one.
// ErrCodeRequired means that the person's second factor is still due: see [Accounts.LoginFactor].
func (a *Logins) LoginIdentity(ctx context.Context, login IdentityLogin) (Session, string, error) {
	login.Vouched = login.plain()
	m, err := a.match(ctx, login.Vouched)
	if errors.Is(err, pgx.ErrNoRows) {
		m.user, err = a.createVouched(ctx, login)
		m.linked = true
	}
	switch {
	case err != nil:
		return Session{}, "", postgres.Wrap("find person of identity", err)
	case m.disabled:
		return Session{}, "", &RefusedError{Reason: PersonDisabled, User: m.user}
	case m.other:
		return Session{}, "", &RefusedError{Reason: LinkedOtherwise, User: m.user}
	case m.factor && !login.MFA:
		if err := a.awaitFactor(ctx, login, m.user); err != nil {
			return Session{}, "", err
		}
		return Session{}, "", ErrCodeRequired
	}
	ctx = postgres.WithActor(ctx, withID(postgres.ActorOf(ctx), "user", m.user))
	return a.openVouched(ctx, m.user, login.Vouched, Login{IP: login.IP, UserAgent: login.UserAgent}, nil)
}

// plain is the description in the form that is stored. An address that is none is no address.
func (v Vouched) plain() Vouched {
	v.Name = plainName(v.Name)
	var err error
	if v.Email, err = normalEmail(v.Email); err != nil {
		v.Email = ""
	}
	return v
}

// match finds the person of an identity. An address that is not verified is nobody's.
func (a *Logins) match(ctx context.Context, v Vouched) (m match, err error) {
	const columns = `SELECT u.id, u.disabled, EXISTS (SELECT FROM totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL)`
	err = a.pool.QueryRow(ctx, columns+` FROM identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2`,
		v.Issuer, v.Subject).Scan(&m.user, &m.disabled, &m.factor)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		m.linked = true
		return m, err
	}
	if !v.EmailVerified || v.Email == "" {
		return m, &RefusedError{Reason: EmailUnverified}
	}
	err = a.pool.QueryRow(ctx, columns+`, EXISTS (SELECT FROM identities i WHERE i.user_id = u.id AND i.issuer = $2)
		FROM users u WHERE u.email = $1`, v.Email, v.Issuer).Scan(&m.user, &m.disabled, &m.factor, &m.other)
	return m, err
}

// createVouched makes a person whom nobody invited, if the provider is configured to, and links them.
func (a *Logins) createVouched(ctx context.Context, login IdentityLogin) (string, error) {
	_, domain, _ := strings.Cut(login.Email, "@")
	if !login.Provider.CreatePeople || !slices.Contains(login.Provider.Domains, domain) {
		return "", &RefusedError{Reason: UnknownPerson}
	}
	// The roles were granted by whoever configured the provider.
	actor := withID(postgres.ActorOf(ctx), "system", "provider")
	user, err := a.people.createUser(postgres.WithActor(ctx, actor), NewUser{Email: login.Email, Name: login.Name, Roles: login.Provider.Roles},
		func(tx pgx.Tx, user string) error { return link(ctx, tx, user, login.Vouched) })
	var bad *postgres.InvalidError
	switch {
	case errors.As(err, &bad): // a role or an app is gone, or there are too many people
		return "", errors.Join(&RefusedError{Reason: NotCreated}, err)
	case errors.Is(err, postgres.ErrExists): // somebody was faster
		return "", &RefusedError{Reason: LinkedOtherwise}
	}
	return user.ID, err
}

// plainName is a name without the characters that cannot be stored.
func plainName(name string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "")))
	return strings.TrimSpace(string(runes[:min(len(runes), postgres.MaxName)]))
}

// openVouched opens a session and links the person, or notes that the identity was used.
func (a *Logins) openVouched(ctx context.Context, user string, v Vouched, login Login, besides func(pgx.Tx) error) (Session, string, error) {
	opened, refresh, err := a.openSession(ctx, user, login, opening{action: "login.provider", besides: func(tx pgx.Tx) error {
		if besides != nil {
			if err := besides(tx); err != nil {
				return err
			}
		}
		return link(ctx, tx, user, v)
	}})
	switch {
	case errors.Is(err, ErrUnauthorized):
		err = &RefusedError{Reason: PersonDisabled, User: user}
	case errors.Is(err, postgres.ErrExists):
		err = &RefusedError{Reason: LinkedOtherwise, User: user}
	}
	return opened, refresh, err
}

// link makes the identity the person's, unless it is already. Whoever was invited needs no link with
// which to set a password any more.
func link(ctx context.Context, tx pgx.Tx, user string, v Vouched) error {
	done, err := tx.Exec(ctx, `UPDATE identities SET last_used_at = now() WHERE issuer = $1 AND subject = $2 AND user_id = $3`, v.Issuer, v.Subject, user)
	if err != nil || done.RowsAffected() == 1 {
		return err
	}
	id, err := postgres.NewID()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO identities (id, user_id, issuer, subject, email) VALUES ($1, $2, $3, $4, $5)`,
		id, user, v.Issuer, v.Subject, v.Email); err != nil {
		return fmt.Errorf("link identity: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM password_links l USING users u WHERE l.user_id = $1 AND u.id = l.user_id AND u.password = ''`, user); err != nil {
		return fmt.Errorf("void invitation: %w", err)
	}
	return postgres.Audit(ctx, tx, postgres.Happened{Action: "identity.link", Target: user, Detail: map[string]any{"identity": id, "issuer": v.Issuer, "subject": v.Subject}})
}

// Identities lists who a person is at providers, oldest first.
func (a *Logins) Identities(ctx context.Context, user string) ([]Identity, error) {
	if _, err := a.people.User(ctx, user); err != nil {
		return nil, err
	}
	rows, err := a.pool.Query(ctx, `SELECT id, issuer, subject, email, created_at, last_used_at FROM identities WHERE user_id = $1 ORDER BY created_at, id`, user)
	if err != nil {
		return nil, postgres.Wrap("list identities", err)
	}
	identities, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i Identity, err error) {
		err = row.Scan(&i.ID, &i.Issuer, &i.Subject, &i.Email, &i.Created, &i.LastUsed)
		i.Created, i.LastUsed = i.Created.UTC(), i.LastUsed.UTC()
		return i, err
	})
	return identities, postgres.Wrap("list identities", err)
}

// Unlink takes an own identity away from a person who can still log in with a password.
func (a *Logins) Unlink(ctx context.Context, user, id string) error {
	return a.pool.Change(ctx, "unlink identity", func(tx pgx.Tx) error {
		person, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		var password bool
		if err := tx.QueryRow(ctx, `SELECT password <> '' FROM users WHERE id = $1`, user).Scan(&password); err != nil {
			return err
		}
		if !password {
			return postgres.Invalid("this is the only way in: ask whoever manages people for a link with which to set a password first")
		}
		return unlink(ctx, tx, person.ID, id, "me.identity.unlink")
	})
}

// UnlinkUser takes an identity away from somebody, and ends their sessions: those may stem from it.
func (a *Logins) UnlinkUser(ctx context.Context, user, id string) error {
	return a.people.changePeople(ctx, "unlink identity", func(tx pgx.Tx) error {
		person, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if err := mayGrant(ctx, tx, person.Roles); err != nil {
			return err
		}
		if err := revokeSessions(ctx, tx, user, "", "identity unlinked"); err != nil {
			return err
		}
		return unlink(ctx, tx, user, id, "user.identity.unlink")
	})
}

func unlink(ctx context.Context, tx pgx.Tx, user, id, action string) error {
	var issuer, subject string
	err := tx.QueryRow(ctx, `DELETE FROM identities WHERE user_id = $1 AND id = $2 RETURNING issuer, subject`, user, id).Scan(&issuer, &subject)
	if err != nil {
		return err
	}
	if err := announcePerson(ctx, tx, user); err != nil {
		return err
	}
	return postgres.Audit(ctx, tx, postgres.Happened{Action: action, Target: user, Detail: map[string]any{"identity": id, "issuer": issuer, "subject": subject}})
}
