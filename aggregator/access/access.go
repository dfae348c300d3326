// Package access decides who may do what: five roles, fourteen permissions, one table. Roles beside the
// five are sets of the same permissions, which an assignment carries with it.
//
// An [Assignment] gives a person a role for all apps or for a list of them, optionally narrowed to
// media sources and countries. The app is the boundary between tenants. Some permissions belong to
// an app (reports.read), some to the installation (users.manage, agents.read); the latter, and
// creating an app, need an assignment for all apps that is not narrowed: whoever was given one app
// must not learn about, or act on, the rest.
//
// The package is pure: no clock, no I/O, no state.
package access

import (
	"slices"
	"strings"
)

// Permission names one thing that a person may do.
type Permission string

// The fourteen permissions.
const (
	AppsRead             Permission = "apps.read"
	AppsWrite            Permission = "apps.write"
	ReportsRead          Permission = "reports.read"
	RawRead              Permission = "raw.read"
	LinksWrite           Permission = "links.write"
	PostbacksWrite       Permission = "postbacks.write"
	AttributionConfigure Permission = "attribution.configure"
	CostsWrite           Permission = "costs.write"
	PrivacyManage        Permission = "privacy.manage"
	AgentsRead           Permission = "agents.read"
	AgentsManage         Permission = "agents.manage"
	UsersRead            Permission = "users.read"
	UsersManage          Permission = "users.manage"
	AuditRead            Permission = "audit.read"
)

// Role names a set of permissions.
type Role string

// The five roles.
const (
	Owner    Role = "owner"
	Operator Role = "operator"
	Marketer Role = "marketer"
	Analyst  Role = "analyst"
	Viewer   Role = "viewer"
)

// roles is a set of the five roles.
type roles uint8

const (
	owner roles = 1 << iota
	operator
	marketer
	analyst
	viewer

	everybody = owner | operator | marketer | analyst | viewer
)

// row is one permission of the grid with the roles that have it.
type row struct {
	permission Permission
	roles      roles
}

// grid is the only place that says which role may do what. Every request asks it more than once, so it
// is an array that costs no allocation.
func grid() [14]row {
	return [14]row{
		{AppsRead, everybody},
		{AppsWrite, owner | operator},
		{ReportsRead, everybody},
		{RawRead, owner | analyst},
		{LinksWrite, owner | marketer},
		{PostbacksWrite, owner | marketer},
		{AttributionConfigure, owner | marketer},
		{CostsWrite, owner | marketer},
		{PrivacyManage, owner | operator},
		{AgentsRead, owner | operator},
		{AgentsManage, owner | operator},
		{UsersRead, owner | operator},
		{UsersManage, owner},
		{AuditRead, owner | operator},
	}
}

// set is the role as a set of one; no set for one that is not built in.
func (r Role) set() roles {
	switch r {
	case Owner:
		return owner
	case Operator:
		return operator
	case Marketer:
		return marketer
	case Analyst:
		return analyst
	case Viewer:
		return viewer
	}
	return 0
}

// Roles lists the roles from the most to the least powerful.
func Roles() []Role { return []Role{Owner, Operator, Marketer, Analyst, Viewer} }

// Permissions lists the permissions in the order of the grid.
func Permissions() []Permission {
	rows := grid()
	list := make([]Permission, len(rows))
	for i, r := range rows {
		list[i] = r.permission
	}
	return list
}

// Valid says whether the role is one of the five that are built in.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Custom says whether the name is one that a role beside the five may have: 2 to 40 small letters,
// digits and dashes, a letter first. This package does not know whether there is such a role, nor its permissions.
func (r Role) Custom() bool {
	if r.Valid() || len(r) < 2 || len(r) > 40 || r[0] < 'a' || r[0] > 'z' {
		return false
	}
	return strings.Trim(string(r), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Valid says whether the permission is one of the fourteen.
func (p Permission) Valid() bool { return slices.Contains(Permissions(), p) }

// Grants says whether the role has the permission.
func (r Role) Grants(permission Permission) bool {
	for _, row := range grid() {
		if row.permission == permission {
			return row.roles&r.set() != 0
		}
	}
	return false
}

// Permissions lists the role's permissions in the order of the grid.
func (r Role) Permissions() []Permission {
	var list []Permission
	for _, row := range grid() {
		if row.roles&r.set() != 0 {
			list = append(list, row.permission)
		}
	}
	return list
}
