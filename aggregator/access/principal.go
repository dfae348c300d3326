package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Limits on assignments, so that no person's access costs more than a little to decide.
const (
	MaxAssignments = 32  // roles of one person
	MaxScope       = 500 // apps, media sources or countries of one assignment
	maxScopeValue  = 128 // bytes of one of them
)

// Assignment is a role for some apps. In JSON, apps is "*" or a list of ids.
type Assignment struct {
	Role         Role
	AllApps      bool
	Apps         []string // when not AllApps
	MediaSources []string // empty means all
	Countries    []string // empty means all

	// Granted, if not nil, are the assignment's permissions in place of its role's. It is never
	// read from outside.
	Granted []Permission
}

// assignmentJSON is the shape that clients see.
type assignmentJSON struct {
	Role         Role     `json:"role"`
	Apps         AppList  `json:"apps"`
	MediaSources []string `json:"media_sources,omitempty"`
	Countries    []string `json:"countries,omitempty"`
}

// MarshalJSON writes {"role", "apps": "*" or [ids], "media_sources"?, "countries"?}.
func (a Assignment) MarshalJSON() ([]byte, error) {
	return json.Marshal(assignmentJSON{a.Role, AppList{All: a.AllApps, IDs: a.Apps}, a.MediaSources, a.Countries})
}

// UnmarshalJSON reads what MarshalJSON writes and refuses fields that it does not know.
func (a *Assignment) UnmarshalJSON(data []byte) error {
	var raw assignmentJSON
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	*a = Assignment{Role: raw.Role, AllApps: raw.Apps.All, Apps: raw.Apps.IDs, MediaSources: raw.MediaSources, Countries: raw.Countries}
	return nil
}

// Grants says whether the assignment gives the permission within its reach.
func (a Assignment) Grants(permission Permission) bool {
	if a.Granted != nil {
		return slices.Contains(a.Granted, permission)
	}
	return a.Role.Grants(permission)
}

// Permissions lists the assignment's permissions in the order of the grid.
func (a Assignment) Permissions() []Permission {
	list := []Permission{}
	for _, permission := range Permissions() {
		if a.Grants(permission) {
			list = append(list, permission)
		}
	}
	return list
}

// Validate lists the faults of an assignment that came from outside.
func (a Assignment) Validate() error {
	if !a.Role.Valid() && !a.Role.Custom() {
		return fmt.Errorf("role %.40q is unknown: use one of %v, or one that was made", a.Role, Roles())
	}
	if a.AllApps != (len(a.Apps) == 0) {
		return fmt.Errorf(`role %s: apps must be "*" or at least one app id`, a.Role)
	}
	for _, list := range [][]string{a.Apps, a.MediaSources, a.Countries} {
		if len(list) > MaxScope {
			return fmt.Errorf("role %s: a list of %d, limit %d", a.Role, len(list), MaxScope)
		}
		for _, value := range list {
			if value == "" || len(value) > maxScopeValue {
				return fmt.Errorf("role %s: a list holds an empty value or one above %d bytes", a.Role, maxScopeValue)
			}
		}
	}
	return nil
}

// covers says whether the assignment reaches the app.
func (a Assignment) covers(app string) bool {
	return a.AllApps || slices.Contains(a.Apps, app)
}

// narrowed says whether the assignment is limited to media sources or countries.
func (a Assignment) narrowed() bool {
	return len(a.MediaSources) > 0 || len(a.Countries) > 0
}

// whole says whether the assignment is for the whole installation.
func (a Assignment) whole() bool { return a.AllApps && !a.narrowed() }

// Principal is a person, as far as decisions go.
type Principal struct {
	User        string
	Assignments []Assignment
}

// Can says whether the principal has the permission for the app. An empty app asks for the
// installation as a whole.
func Can(p Principal, permission Permission, app string) bool {
	for _, a := range p.Assignments {
		if !a.Grants(permission) {
			continue
		}
		if a.whole() || (app != "" && a.covers(app)) {
			return true
		}
	}
	return false
}

// Anywhere says whether the principal has the permission for at least one app.
func Anywhere(p Principal, permission Permission) bool {
	return slices.ContainsFunc(p.Assignments, func(a Assignment) bool { return a.Grants(permission) })
}

// Apps keeps of the given apps those for which the principal has the permission, in order.
func Apps(p Principal, permission Permission, apps []string) []string {
	kept := []string{}
	for _, app := range apps {
		if Can(p, permission, app) {
			kept = append(kept, app)
		}
	}
	return kept
}

// Held lists the permissions that the principal has somewhere, in the order of the grid.
func Held(p Principal) []Permission {
	held := []Permission{}
	for _, permission := range Permissions() {
		if Anywhere(p, permission) {
			held = append(held, permission)
		}
	}
	return held
}

// Filter narrows a question. Values in one list are alternatives; both lists must match; an empty
// list matches all.
type Filter struct {
	MediaSources []string
	Countries    []string
}

// Filters gives the narrowing under which the principal has the permission for the app. Filters are
// alternatives. No filter and true means everything; false means that the principal may not at all.
func Filters(p Principal, permission Permission, app string) ([]Filter, bool) {
	var filters []Filter
	for _, a := range p.Assignments {
		if !a.Grants(permission) || !a.covers(app) {
			continue
		}
		if !a.narrowed() {
			return nil, true
		}
		filters = append(filters, Filter{MediaSources: a.MediaSources, Countries: a.Countries})
	}
	return filters, len(filters) > 0
}

// Narrowing is Filters as one filter. It returns false if the principal may not at all, and also if
// several assignments narrow in ways that one filter cannot express without showing more than they do.
func Narrowing(p Principal, permission Permission, app string) (Filter, bool) {
	filters, ok := Filters(p, permission, app)
	if !ok || len(filters) == 0 {
		return Filter{}, ok
	}
	merged := filters[0]
	for _, f := range filters[1:] {
		switch {
		case slices.Equal(merged.Countries, f.Countries):
			merged.MediaSources = union(merged.MediaSources, f.MediaSources)
		case slices.Equal(merged.MediaSources, f.MediaSources):
			merged.Countries = union(merged.Countries, f.Countries)
		default:
			return Filter{}, false
		}
	}
	return merged, true
}

// union joins two lists of alternatives; an empty list means all.
func union(a, b []string) []string {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	joined := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(joined, v) {
			joined = append(joined, v)
		}
	}
	return joined
}
