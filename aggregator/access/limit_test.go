package access

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestALimitGivesNothing(t *testing.T) {
	viewer := Principal{Assignments: []Assignment{{Role: Viewer, Apps: []string{"a", "b"}, Countries: []string{"DE"}}}}
	within := Principal{Assignments: Limit{Permissions: []Permission{ReportsRead, UsersManage}, Apps: AppList{IDs: []string{"b", "c"}}}.Within(viewer.Assignments)}
	for _, c := range []struct {
		permission Permission
		app        string
		want       bool
	}{
		{ReportsRead, "b", true}, {ReportsRead, "a", false}, {ReportsRead, "c", false}, {AppsRead, "b", false}, {UsersManage, "", false}, {UsersManage, "b", false},
	} {
		if Can(within, c.permission, c.app) != c.want {
			t.Errorf("%s of %q: %v", c.permission, c.app, !c.want)
		}
	}
	if filters, ok := Filters(within, ReportsRead, "b"); !ok || len(filters) != 1 || filters[0].Countries[0] != "DE" {
		t.Errorf("the narrowing is lost: %v", filters)
	}
	if IsOwner(Limit{Permissions: Permissions(), Apps: AppList{All: true}}.Within([]Assignment{{Role: Owner, AllApps: true}})) {
		t.Error("a token is an owner")
	}
}

// TestWithinIsAnIntersection compares with the definition: may within the limit = may, and the limit
// names both the permission and the app.
func TestWithinIsAnIntersection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apps := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID)
		all := rapid.Bool()
		var p Principal
		for range rapid.IntRange(0, 3).Draw(t, "assignments") {
			a := Assignment{Role: rapid.SampledFrom(Roles()).Draw(t, "role"), AllApps: all.Draw(t, "all")}
			if !a.AllApps {
				a.Apps = apps.Draw(t, "apps")
			}
			p.Assignments = append(p.Assignments, a)
		}
		limit := Limit{Permissions: rapid.SliceOfNDistinct(rapid.SampledFrom(Permissions()), 1, 14, rapid.ID).Draw(t, "permissions"), Apps: AppList{All: all.Draw(t, "limit all")}}
		if !limit.Apps.All {
			limit.Apps.IDs = apps.Draw(t, "limit apps")
		}
		within := Principal{Assignments: limit.Within(p.Assignments)}
		for _, permission := range Permissions() {
			for _, app := range []string{"", "a", "b", "c", "d"} {
				named := limit.Apps.All
				for _, id := range limit.Apps.IDs {
					named = named || id == app
				}
				listed := false
				for _, l := range limit.Permissions {
					listed = listed || l == permission
				}
				if got, want := Can(within, permission, app), Can(p, permission, app) && named && listed; got != want {
					t.Fatalf("%s of %q within %+v of %+v: %v, want %v", permission, app, limit, p.Assignments, got, want)
				}
			}
		}
	})
}

func TestLimitFromOutside(t *testing.T) {
	for text, good := range map[string]bool{
		`"*"`: true, `["a"]`: true, `[]`: false, `"a"`: false, `null`: false, `[""]`: false,
	} {
		var apps AppList
		err := json.Unmarshal([]byte(text), &apps)
		if err == nil {
			err = Limit{Permissions: []Permission{AppsRead}, Apps: apps}.Validate()
		}
		if (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, bad := range [][]Permission{nil, {"root"}, append(Permissions(), AppsRead)} {
		if err := (Limit{Permissions: bad, Apps: AppList{All: true}}).Validate(); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func TestHolds(t *testing.T) {
	p := Principal{Assignments: []Assignment{{Role: Viewer, Apps: []string{"a"}}, {Role: Analyst, Apps: []string{"b"}}}}
	for _, c := range []struct {
		permissions []Permission
		apps        AppList
		want        bool
	}{
		{[]Permission{ReportsRead, RawRead}, AppList{IDs: []string{"a", "b"}}, true},
		{[]Permission{RawRead}, AppList{All: true}, true},
		{[]Permission{RawRead}, AppList{IDs: []string{"a"}}, false},
		{[]Permission{LinksWrite}, AppList{All: true}, false},
		{[]Permission{ReportsRead}, AppList{IDs: []string{"a", "c"}}, false},
	} {
		if got := Holds(p, Limit{c.permissions, c.apps}); got != c.want {
			t.Errorf("%v %v: %v", c.permissions, c.apps, got)
		}
	}
}
