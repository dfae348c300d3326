package people

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

const (
	maxUsers = 10_000
	maxEmail = 254 // bytes
)

// Kinds of users.
const (
	Person  = "person"
	Service = "service" // acts through API tokens only
)

// User is a person or a service account, with roles.
type User struct {
	ID        string              `json:"id"`
	Kind      string              `json:"kind"`
	Email     string              `json:"email"` // empty for a service account
	Name      string              `json:"name"`
	Roles     []access.Assignment `json:"roles"`
	Disabled  bool                `json:"disabled"`
	TOTP      bool                `json:"totp"`    // has a second factor
	Invited   bool                `json:"invited"` // has no way to log in yet
	Created   time.Time           `json:"created_at"`
	LastLogin *time.Time          `json:"last_login_at"`
}

// Principal is the person as access sees it.
func (u *User) Principal() access.Principal {
	return access.Principal{User: u.ID, Assignments: u.Roles}
}

// NewUser describes a user to be. Without a password, a person cannot log in until one is set; a
// service account has neither a password nor an email.
type NewUser struct {
	Kind     string              `json:"kind,omitempty"` // empty means a person
	Email    string              `json:"email,omitempty"`
	Name     string              `json:"name"`
	Password string              `json:"password,omitempty"`
	Roles    []access.Assignment `json:"roles"`
}

// UserChange changes the fields that are not nil.
type UserChange struct {
	Name     *string `json:"name,omitempty"`
	Disabled *bool   `json:"disabled,omitempty"`
	Password *string `json:"password,omitempty"`
}

const userColumns = `u.id, u.kind, coalesce(u.email, ''), u.name, u.disabled, u.created_at, u.last_login_at,
	EXISTS (SELECT FROM totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL),
	u.kind = 'person' AND u.password = '' AND NOT EXISTS (SELECT FROM identities i WHERE i.user_id = u.id),
	coalesce((SELECT json_agg(json_build_object('role', r.role, 'apps', CASE WHEN r.all_apps THEN to_json('*'::text) ELSE to_json(r.apps) END,
		'media_sources', r.media_sources, 'countries', r.countries, 'granted', (SELECT c.permissions FROM roles c WHERE c.name = r.role)) ORDER BY r.position)
		FROM role_assignments r WHERE r.user_id = u.id), '[]')`

func (u *User) fields() []any {
	return []any{&u.ID, &u.Kind, &u.Email, &u.Name, &u.Disabled, &u.Created, &u.LastLogin, &u.TOTP, &u.Invited, (*storedRoles)(&u.Roles)}
}

func scanUser(row pgx.CollectableRow) (u User, err error) {
	err = row.Scan(u.fields()...)
	u.Created = u.Created.UTC()
	return u, err
}

// CreateOwner makes a person who may do everything: the first one of an installation.
func (a *People) CreateOwner(ctx context.Context, email, name, password string) (User, error) {
	return a.CreateUser(ctx, NewUser{Email: email, Name: name, Password: password,
		Roles: []access.Assignment{{Role: access.Owner, AllApps: true}}})
}

// normalize lists the faults of a user to be, and brings the email into the form that is stored.
func (n *NewUser) normalize() (err error) {
	switch n.Kind {
	case "", Person:
		n.Kind = Person
		if n.Email, err = normalEmail(n.Email); err != nil {
			return err
		}
	case Service:
		if n.Email != "" || n.Password != "" {
			return postgres.Invalid("a service account has no email and no password: it acts through API tokens")
		}
		if n.Name == "" {
			return postgres.Invalid("name is missing: say what the service account is for")
		}
	default:
		return postgres.Invalid("kind %.20q is unknown: use %q or %q", n.Kind, Person, Service)
	}
	if err := postgres.ValidName("name", n.Name); err != nil {
		return err
	}
	if n.Password != "" {
		if err := ValidPassword(n.Password, personal(n.Email, n.Name)...); err != nil {
			return err
		}
	}
	return validRoles(n.Roles)
}

// CreateUser makes a person or a service account. The actor must hold every role that is given.
func (a *People) CreateUser(ctx context.Context, person NewUser) (User, error) {
	return a.createUser(ctx, person, func(pgx.Tx, string) error { return nil })
}

// createUser makes a user and, in the same transaction, what else they need.
func (a *People) createUser(ctx context.Context, person NewUser, besides func(tx pgx.Tx, user string) error) (User, error) {
	if err := person.normalize(); err != nil {
		return User{}, err
	}
	var err error
	hash := ""
	if person.Password != "" {
		if hash, err = a.hashPassword(ctx, person.Password); err != nil {
			return User{}, err
		}
	}
	user := User{Kind: person.Kind, Email: person.Email, Name: person.Name, Roles: person.Roles, Invited: person.Kind == Person && hash == ""}
	if user.ID, err = postgres.NewID(); err != nil {
		return User{}, err
	}
	err = a.changePeople(ctx, "create user", func(tx pgx.Tx) error {
		if user.Roles, err = resolveRoles(ctx, tx, person.Roles); err != nil {
			return err
		}
		if err := mayGrant(ctx, tx, user.Roles); err != nil {
			return err
		}
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM users`).Scan(&count); err != nil {
			return err
		}
		if count >= maxUsers {
			return postgres.Invalid("there are %d people, the limit is %d", count, maxUsers)
		}
		err := tx.QueryRow(ctx, `INSERT INTO users (id, kind, email, name, password) VALUES ($1, $2, nullif($3, ''), $4, $5) RETURNING created_at`,
			user.ID, user.Kind, user.Email, user.Name, hash).Scan(&user.Created)
		if err != nil {
			return err
		}
		if err := assignRoles(ctx, tx, user.ID, person.Roles); err != nil {
			return err
		}
		if err := besides(tx, user.ID); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "user.create", Target: user.ID, Detail: user})
	})
	user.Created = user.Created.UTC()
	return user, err
}

func normalEmail(email string) (string, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email || len(email) > maxEmail {
		return "", postgres.Invalid("email %.60q is not an address such as ann@example.com", email)
	}
	return email, nil
}

func validRoles(roles []access.Assignment) error {
	if len(roles) > access.MaxAssignments {
		return postgres.Invalid("roles has %d entries, the limit is %d", len(roles), access.MaxAssignments)
	}
	for _, role := range roles {
		if err := role.Validate(); err != nil {
			return postgres.Invalid("%s", err)
		}
	}
	return nil
}

// changePeople runs a transaction that changes people, one at a time in the whole installation: the
// rules about owners look at all of them.
func (a *People) changePeople(ctx context.Context, what string, do func(tx pgx.Tx) error) error {
	return a.pool.Change(ctx, what, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('unmogrowp people'))`); err != nil {
			return fmt.Errorf("lock people: %w", err)
		}
		return do(tx)
	})
}

// mayGrant returns ErrNotHeld if the actor does not hold all of the roles. It reads the actor's roles
// in the transaction: a node's memory of them may be seconds old.
func mayGrant(ctx context.Context, tx pgx.Tx, roles []access.Assignment) error {
	actor := postgres.ActorOf(ctx)
	if actor.Kind == "system" {
		return nil
	}
	user, err := lockUser(ctx, tx, actor.ID)
	if err != nil || user.Disabled {
		return ErrNotHeld
	}
	if actor.Limit != nil {
		user.Roles = actor.Limit.Within(user.Roles)
	}
	for _, role := range roles {
		if !access.MayGrant(user.Principal(), role) {
			return ErrNotHeld
		}
	}
	return nil
}

func lockUser(ctx context.Context, tx pgx.Tx, id string) (User, error) {
	rows, err := tx.Query(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1 FOR UPDATE OF u`, id)
	if err != nil {
		return User{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanUser)
}

func assignRoles(ctx context.Context, tx pgx.Tx, id string, roles []access.Assignment) error {
	if _, err := tx.Exec(ctx, `DELETE FROM role_assignments WHERE user_id = $1`, id); err != nil {
		return err
	}
	for i, role := range roles {
		for _, app := range role.Apps {
			if err := apps.Lock(ctx, tx, app); err != nil {
				return postgres.Invalid("app %.60q does not exist", app)
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO role_assignments (user_id, position, role, all_apps, apps, media_sources, countries)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, id, i, role.Role, role.AllApps, postgres.NotNil(role.Apps), postgres.NotNil(role.MediaSources), postgres.NotNil(role.Countries))
		if err != nil {
			return err
		}
	}
	return nil
}

// Users lists all people by e-mail address, then the service accounts by name.
func (a *People) Users(ctx context.Context) ([]User, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+userColumns+` FROM users u ORDER BY u.kind, u.email, u.name, u.id`)
	if err != nil {
		return nil, postgres.Wrap("list users", err)
	}
	users, err := pgx.CollectRows(rows, scanUser)
	return users, postgres.Wrap("list users", err)
}

// User returns one person.
func (a *People) User(ctx context.Context, id string) (User, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, id)
	if err != nil {
		return User{}, postgres.Wrap("read user", err)
	}
	user, err := pgx.CollectExactlyOneRow(rows, scanUser)
	return user, postgres.Wrap("read user", err)
}

// SetRoles replaces a person's roles. The actor must hold the old ones and the new ones.
func (a *People) SetRoles(ctx context.Context, id string, roles []access.Assignment) (User, error) {
	if err := validRoles(roles); err != nil {
		return User{}, err
	}
	return a.changeUser(ctx, "user.roles", id, func(tx pgx.Tx, user *User) error {
		resolved, err := resolveRoles(ctx, tx, roles)
		if err != nil {
			return err
		}
		if err := mayGrant(ctx, tx, resolved); err != nil {
			return err
		}
		user.Roles = resolved
		return assignRoles(ctx, tx, id, roles)
	})
}

// UpdateUser changes a person. A new password and being disabled end all of their sessions, a new
// password their API tokens too.
func (a *People) UpdateUser(ctx context.Context, id string, change UserChange) (User, error) {
	hash := ""
	if change.Password != nil {
		if err := a.validPasswordOf(ctx, id, *change.Password); err != nil {
			return User{}, err
		}
		var err error
		if hash, err = a.hashPassword(ctx, *change.Password); err != nil {
			return User{}, err
		}
	}
	return a.changeUser(ctx, "user.change", id, func(tx pgx.Tx, user *User) error {
		if hash != "" && user.Kind == Service {
			return postgres.Invalid("a service account has no password: it acts through API tokens")
		}
		postgres.Assign(&user.Name, change.Name)
		postgres.Assign(&user.Disabled, change.Disabled)
		if err := postgres.ValidName("name", user.Name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET name = $2, disabled = $3 WHERE id = $1`, id, user.Name, user.Disabled); err != nil {
			return err
		}
		if hash != "" {
			user.Invited = false
			if err := setPassword(ctx, tx, id, hash); err != nil {
				return err
			}
		}
		if hash == "" && !user.Disabled {
			return nil
		}
		return revokeSessions(ctx, tx, id, "", "account changed")
	})
}

// changeUser changes a person under the rules: the actor holds all that the person holds, and an owner
// who can log in stays.
func (a *People) changeUser(ctx context.Context, action, id string, do func(pgx.Tx, *User) error) (User, error) {
	var user User
	err := a.changePeople(ctx, "change user", func(tx pgx.Tx) error {
		before, err := lockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := mayGrant(ctx, tx, before.Roles); err != nil {
			return err
		}
		user = before
		if err := do(tx, &user); err != nil {
			return err
		}
		if err := ownerStays(ctx, tx); err != nil {
			return err
		}
		if err := announcePerson(ctx, tx, id); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: action, Target: id, Detail: postgres.Diff{Before: before, After: user}})
	})
	return user, err
}

// DeleteUser removes a person. The audit log keeps their id.
func (a *People) DeleteUser(ctx context.Context, id string) error {
	_, err := a.changeUser(ctx, "user.delete", id, func(tx pgx.Tx, _ *User) error {
		_, err := tx.Exec(ctx, `DELETE FROM users WHERE id = $1`, id)
		return err
	})
	return err
}

func ownerStays(ctx context.Context, tx pgx.Tx) error {
	var left int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM users u JOIN role_assignments r ON r.user_id = u.id
		WHERE NOT u.disabled AND u.kind = 'person' AND u.password <> '' AND r.role = 'owner' AND r.all_apps AND r.media_sources = '{}' AND r.countries = '{}'`).Scan(&left)
	if err == nil && left == 0 {
		err = ErrLastOwner
	}
	return err
}

// announcePerson makes every node read a person again.
func announcePerson(ctx context.Context, tx pgx.Tx, id string) error {
	if _, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, peopleChannel, id); err != nil {
		return fmt.Errorf("announce change of person: %w", err)
	}
	return nil
}

// UpdateSelf lets people change their own name, and their password if they know the present one. A
// new password ends all of their other sessions and their API tokens.
func (a *People) UpdateSelf(ctx context.Context, id, session string, name *string, current, password string) (User, error) {
	hash := ""
	if password != "" {
		if err := a.validPasswordOf(ctx, id, password); err != nil {
			return User{}, err
		}
		if err := a.checkOwn(ctx, id, current); err != nil {
			return User{}, err
		}
		var err error
		if hash, err = a.hashPassword(ctx, password); err != nil {
			return User{}, err
		}
	}
	var user User
	err := a.pool.Change(ctx, "change own account", func(tx pgx.Tx) error {
		before, err := lockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		user = before
		postgres.Assign(&user.Name, name)
		if err := postgres.ValidName("name", user.Name); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `UPDATE users SET name = $2 WHERE id = $1`, id, user.Name); err != nil {
			return err
		}
		if hash != "" {
			if err := setPassword(ctx, tx, id, hash); err != nil {
				return err
			}
			if err := revokeSessions(ctx, tx, id, session, "password changed"); err != nil {
				return err
			}
		}
		if err := announcePerson(ctx, tx, id); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "me.change", Target: id,
			Detail: map[string]any{"before": before.Name, "after": user.Name, "password": hash != ""}})
	})
	return user, err
}

// checkOwn returns an InvalidError if the password is not the person's present one.
func (a *People) checkOwn(ctx context.Context, id, password string) error {
	var hash string
	err := a.pool.QueryRow(ctx, `SELECT password FROM users WHERE id = $1`, id).Scan(&hash)
	if err != nil {
		return postgres.Wrap("read password", err)
	}
	if len(password) > 4*maxPassword {
		return postgres.Invalid("current_password is not your password")
	}
	ok, err := a.checkPassword(ctx, hash, password)
	if err == nil && !ok {
		err = postgres.Invalid("current_password is not your password")
	}
	return err
}
