package access

import "slices"

// MayGrant says whether the principal holds everything that the assignment gives: nobody can grant,
// or take away, permissions beyond their own.
func MayGrant(p Principal, grant Assignment) bool {
	scopes := grant.Apps
	if grant.AllApps {
		scopes = []string{""}
	}
	for _, permission := range grant.Permissions() {
		for _, app := range scopes {
			if !holds(p, permission, app, grant) {
				return false
			}
		}
	}
	return (grant.Role.Valid() || grant.Granted != nil) && len(scopes) > 0
}

// holds says whether one assignment of the principal has the permission for the app (empty: all
// apps), as widely as the grant.
func holds(p Principal, permission Permission, app string, grant Assignment) bool {
	for _, own := range p.Assignments {
		reaches := own.AllApps || (app != "" && own.covers(app))
		if reaches && own.Grants(permission) &&
			contains(own.MediaSources, grant.MediaSources) && contains(own.Countries, grant.Countries) {
			return true
		}
	}
	return false
}

// contains says whether the outer narrowing lets through everything that the inner one does.
func contains(outer, inner []string) bool {
	if len(outer) == 0 {
		return true
	}
	if len(inner) == 0 {
		return false
	}
	return !slices.ContainsFunc(inner, func(v string) bool { return !slices.Contains(outer, v) })
}

// IsOwner says whether the assignments make an owner of the whole installation. At least one enabled
// person must always be one.
func IsOwner(assignments []Assignment) bool {
	return slices.ContainsFunc(assignments, func(a Assignment) bool { return a.Role == Owner && a.Granted == nil && a.whole() })
}
