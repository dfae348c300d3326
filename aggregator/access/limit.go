package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// AppList is all apps or some: "*" or a list of ids in JSON.
type AppList struct {
	All bool
	IDs []string
}

// MarshalJSON writes "*" or the ids.
func (l AppList) MarshalJSON() ([]byte, error) {
	if l.All {
		return []byte(`"*"`), nil
	}
	return json.Marshal(append([]string{}, l.IDs...))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *AppList) UnmarshalJSON(data []byte) error {
	*l = AppList{All: string(bytes.TrimSpace(data)) == `"*"`}
	if l.All {
		return nil
	}
	if err := json.Unmarshal(data, &l.IDs); err != nil {
		return fmt.Errorf(`apps must be "*" or a list of app ids`)
	}
	return nil
}

// Limit bounds an API token. It gives nothing by itself: the token has those permissions that its owner
// holds at that moment, within the limit.
type Limit struct {
	Permissions []Permission
	Apps        AppList
}

// Validate lists the faults of a limit that came from outside.
func (l Limit) Validate() error {
	if len(l.Permissions) == 0 || len(l.Permissions) > len(Permissions()) {
		return fmt.Errorf("permissions must be between 1 and %d of %v", len(Permissions()), Permissions())
	}
	for _, permission := range l.Permissions {
		if !permission.Valid() {
			return fmt.Errorf("permission %.40q is unknown: use some of %v", permission, Permissions())
		}
	}
	// The rules for apps are those of an assignment.
	return Assignment{Role: Viewer, AllApps: l.Apps.All, Apps: l.Apps.IDs}.Validate()
}

// Within gives the assignments as far as the limit reaches.
func (l Limit) Within(assignments []Assignment) []Assignment {
	within := []Assignment{}
	for _, a := range assignments {
		granted := []Permission{}
		for _, permission := range a.Permissions() {
			if slices.Contains(l.Permissions, permission) {
				granted = append(granted, permission)
			}
		}
		a.Granted = granted
		if !l.Apps.All {
			a.Apps = slices.DeleteFunc(slices.Clone(l.Apps.IDs), func(app string) bool { return !a.covers(app) })
			a.AllApps = false
		}
		if len(granted) > 0 && (a.AllApps || len(a.Apps) > 0) {
			within = append(within, a)
		}
	}
	return within
}

// Holds says whether the principal has each permission of the limit somewhere within it, and
// something in each of its apps.
func Holds(p Principal, l Limit) bool {
	within := Principal{User: p.User, Assignments: l.Within(p.Assignments)}
	for _, permission := range l.Permissions {
		if !Anywhere(within, permission) {
			return false
		}
	}
	for _, app := range l.Apps.IDs {
		if !slices.ContainsFunc(within.Assignments, func(a Assignment) bool { return a.covers(app) }) {
			return false
		}
	}
	return true
}
