package people

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

const (
	maxRoles       = 50
	maxDescription = 500 // bytes
)

// ErrRoleInUse means that somebody still has the role.
var ErrRoleInUse = errors.New("somebody has the role")

// Role is a role with its permissions.
type Role struct {
	Name        access.Role         `json:"role"`
	Builtin     bool                `json:"builtin"`
	Description string              `json:"description"`
	Permissions []access.Permission `json:"permissions"`
}

// normalize lists the faults of a custom role, and puts its permissions into the order of the grid.
func (r *Role) normalize() error {
	if !r.Name.Custom() {
		return postgres.Invalid("role %.60q cannot be made or changed: the built-in roles are fixed, and a name is 2 to 40 small letters, digits and dashes, a letter first", r.Name)
	}
	if len(r.Description) > maxDescription {
		return postgres.Invalid("description has %d bytes, the limit is %d", len(r.Description), maxDescription)
	}
	limit := access.Limit{Permissions: r.Permissions, Apps: access.AppList{All: true}}
	if err := limit.Validate(); err != nil {
		return postgres.Invalid("%s", err)
	}
	r.Permissions = slices.DeleteFunc(access.Permissions(), func(p access.Permission) bool { return !slices.Contains(r.Permissions, p) })
	return nil
}

// assignment is the widest grant of the role: who may give that may define the role.
func (r *Role) assignment() []access.Assignment {
	return []access.Assignment{{Role: r.Name, AllApps: true, Granted: r.Permissions}}
}

// Roles lists the built-in roles, from the most to the least powerful, then the others by name.
func (a *People) Roles(ctx context.Context) ([]Role, error) {
	var roles []Role
	for _, role := range access.Roles() {
		roles = append(roles, Role{Name: role, Builtin: true, Permissions: role.Permissions()})
	}
	rows, err := a.pool.Query(ctx, `SELECT name, description, permissions FROM roles ORDER BY name`)
	if err != nil {
		return nil, postgres.Wrap("list roles", err)
	}
	custom, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Role, err error) {
		return r, row.Scan(&r.Name, &r.Description, &r.Permissions)
	})
	return append(roles, custom...), postgres.Wrap("list roles", err)
}

// CreateRole makes a role. The actor must hold all of its permissions for the whole installation.
func (a *People) CreateRole(ctx context.Context, role Role) (Role, error) {
	if err := role.normalize(); err != nil {
		return Role{}, err
	}
	role.Builtin = false
	return role, a.changePeople(ctx, "create role", func(tx pgx.Tx) error {
		if err := mayGrant(ctx, tx, role.assignment()); err != nil {
			return err
		}
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM roles`).Scan(&count); err != nil {
			return err
		}
		if count >= maxRoles {
			return postgres.Invalid("there are %d roles, the limit is %d", count, maxRoles)
		}
		_, err := tx.Exec(ctx, `INSERT INTO roles (name, description, permissions) VALUES ($1, $2, $3)`, role.Name, role.Description, role.Permissions)
		if err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "role.create", Target: string(role.Name), Detail: role})
	})
}

// UpdateRole changes the permissions of everybody who has the role. The actor must hold those that it gave
// and those that it gives.
func (a *People) UpdateRole(ctx context.Context, role Role) (Role, error) {
	if err := role.normalize(); err != nil {
		return Role{}, err
	}
	role.Builtin = false
	return role, a.changeRole(ctx, "role.change", role.Name, func(tx pgx.Tx, before Role) (any, error) {
		if err := mayGrant(ctx, tx, role.assignment()); err != nil {
			return nil, err
		}
		_, err := tx.Exec(ctx, `UPDATE roles SET description = $2, permissions = $3 WHERE name = $1`, role.Name, role.Description, role.Permissions)
		return postgres.Diff{Before: before, After: role}, err
	})
}

// DeleteRole removes a role that nobody has.
func (a *People) DeleteRole(ctx context.Context, name access.Role) error {
	if name.Valid() {
		return postgres.Invalid("role %s is built in", name)
	}
	return a.changeRole(ctx, "role.delete", name, func(tx pgx.Tx, before Role) (any, error) {
		var used bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM role_assignments WHERE role = $1)`, name).Scan(&used); err != nil {
			return nil, err
		}
		if used {
			return nil, ErrRoleInUse
		}
		_, err := tx.Exec(ctx, `DELETE FROM roles WHERE name = $1`, name)
		return before, err
	})
}

// changeRole changes a role that the actor holds, and makes every node forget who may do what.
func (a *People) changeRole(ctx context.Context, action string, name access.Role, do func(pgx.Tx, Role) (detail any, err error)) error {
	return a.changePeople(ctx, "change role", func(tx pgx.Tx) error {
		before := Role{Name: name}
		err := tx.QueryRow(ctx, `SELECT description, permissions FROM roles WHERE name = $1 FOR UPDATE`, name).Scan(&before.Description, &before.Permissions)
		if err != nil {
			return err
		}
		if err := mayGrant(ctx, tx, before.assignment()); err != nil {
			return err
		}
		detail, err := do(tx, before)
		if err != nil {
			return err
		}
		if err := announcePerson(ctx, tx, ""); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: action, Target: string(name), Detail: detail})
	})
}

// resolveRoles looks up what custom roles grant. It comes under the lock of changePeople, so that no
// role is deleted while it is given to somebody.
func resolveRoles(ctx context.Context, tx pgx.Tx, roles []access.Assignment) ([]access.Assignment, error) {
	resolved := slices.Clone(roles)
	for i := range resolved {
		resolved[i].Granted = nil
		if resolved[i].Role.Valid() {
			continue
		}
		err := tx.QueryRow(ctx, `SELECT permissions FROM roles WHERE name = $1`, resolved[i].Role).Scan(&resolved[i].Granted)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, postgres.Invalid("role %.60q does not exist", resolved[i].Role)
		}
		if err != nil {
			return nil, err
		}
	}
	return resolved, nil
}

// storedRoles are assignments as userColumns reads them.
type storedRoles []access.Assignment

// UnmarshalJSON reads the assignments with the permissions of custom roles.
func (s *storedRoles) UnmarshalJSON(data []byte) error {
	var rows []struct {
		Role         access.Role         `json:"role"`
		Apps         access.AppList      `json:"apps"`
		MediaSources []string            `json:"media_sources"`
		Countries    []string            `json:"countries"`
		Granted      []access.Permission `json:"granted"`
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		return err
	}
	*s = make([]access.Assignment, len(rows))
	for i, r := range rows {
		(*s)[i] = access.Assignment{Role: r.Role, AllApps: r.Apps.All, Apps: r.Apps.IDs, MediaSources: r.MediaSources, Countries: r.Countries}
		if !r.Role.Valid() {
			(*s)[i].Granted = append([]access.Permission{}, r.Granted...)
		}
	}
	return nil
}
