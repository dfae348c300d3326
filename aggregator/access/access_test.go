package access

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestGridIsTheGoldenFile(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-22s", "")
	for _, r := range Roles() {
		fmt.Fprintf(&b, " %-8s", r)
	}
	b.WriteString("\n")
	cells := 0
	for _, p := range Permissions() {
		fmt.Fprintf(&b, "%-22s", p)
		for _, r := range Roles() {
			mark := "-"
			if r.Grants(p) {
				mark = "yes"
			}
			cells++
			fmt.Fprintf(&b, " %-8s", mark)
		}
		b.WriteString("\n")
	}
	if cells != 70 {
		t.Fatalf("the grid has %d cells, want 5 × 14", cells)
	}
	got := trimLines(b.String())
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/grid.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/grid.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("grid differs from testdata/grid.txt:\n%s", got)
	}
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func TestUnknownRolesAndPermissionsGrantNothing(t *testing.T) {
	for _, p := range Permissions() {
		if Role("root").Grants(p) || Role("").Grants(p) {
			t.Errorf("an unknown role grants %s", p)
		}
	}
	for _, r := range Roles() {
		if r.Grants("apps.delete") || r.Grants("") {
			t.Errorf("%s grants a permission that does not exist", r)
		}
	}
}

func TestScopeOfAnAssignment(t *testing.T) {
	scoped := Principal{Assignments: []Assignment{{Role: Owner, Apps: []string{"a"}}}}
	narrow := Principal{Assignments: []Assignment{{Role: Owner, AllApps: true, Countries: []string{"DE"}}}}
	all := Principal{Assignments: []Assignment{{Role: Operator, AllApps: true}}}
	for _, c := range []struct {
		name       string
		p          Principal
		permission Permission
		app        string
		want       bool
	}{
		{"own app", scoped, ReportsRead, "a", true},
		{"foreign app", scoped, ReportsRead, "b", false},
		{"installation from one app", scoped, UsersManage, "", false},
		{"installation from a narrowed role", narrow, UsersManage, "", false},
		{"app from a narrowed role", narrow, ReportsRead, "z", true},
		{"installation", all, UsersRead, "", true},
		{"role without it", all, UsersManage, "", false},
		{"nobody", Principal{}, AppsRead, "a", false},
	} {
		if got := Can(c.p, c.permission, c.app); got != c.want {
			t.Errorf("%s: Can = %v, want %v", c.name, got, c.want)
		}
	}
	if got := Apps(scoped, AppsRead, []string{"b", "a"}); len(got) != 1 || got[0] != "a" {
		t.Errorf("Apps = %v", got)
	}
}

func TestFiltersAreAlternatives(t *testing.T) {
	p := Principal{Assignments: []Assignment{
		{Role: Viewer, Apps: []string{"a"}, MediaSources: []string{"x"}},
		{Role: Analyst, Apps: []string{"a", "b"}, Countries: []string{"DE"}},
	}}
	filters, ok := Filters(p, ReportsRead, "a")
	if !ok || len(filters) != 2 {
		t.Fatalf("Filters = %v, %v; want both", filters, ok)
	}
	if filters, ok = Filters(p, RawRead, "a"); !ok || len(filters) != 1 || filters[0].Countries[0] != "DE" {
		t.Fatalf("Filters of raw.read = %v, %v", filters, ok)
	}
	if _, ok = Filters(p, ReportsRead, "c"); ok {
		t.Fatal("a foreign app has filters")
	}
	p.Assignments = append(p.Assignments, Assignment{Role: Viewer, AllApps: true})
	if filters, ok = Filters(p, ReportsRead, "a"); !ok || len(filters) != 0 {
		t.Fatalf("an unnarrowed role must lift the narrowing, got %v", filters)
	}
}

func TestNobodyGrantsWhatTheyDoNotHold(t *testing.T) {
	operator := Principal{Assignments: []Assignment{{Role: Operator, AllApps: true}}}
	owner := Principal{Assignments: []Assignment{{Role: Owner, AllApps: true}}}
	ownerOfA := Principal{Assignments: []Assignment{{Role: Owner, Apps: []string{"a"}}}}
	narrow := Principal{Assignments: []Assignment{{Role: Owner, AllApps: true, Countries: []string{"DE", "FR"}}}}
	for _, c := range []struct {
		name  string
		p     Principal
		grant Assignment
		want  bool
	}{
		{"owner anything", owner, Assignment{Role: Owner, AllApps: true}, true},
		{"own role", operator, Assignment{Role: Operator, AllApps: true}, true},
		{"role below", operator, Assignment{Role: Viewer, Apps: []string{"q"}}, true},
		{"role above", operator, Assignment{Role: Owner, AllApps: true}, false},
		{"role aside", operator, Assignment{Role: Marketer, Apps: []string{"a"}}, false},
		{"own app", ownerOfA, Assignment{Role: Analyst, Apps: []string{"a"}}, true},
		{"foreign app", ownerOfA, Assignment{Role: Viewer, Apps: []string{"a", "b"}}, false},
		{"all apps from one", ownerOfA, Assignment{Role: Viewer, AllApps: true}, false},
		{"inside the narrowing", narrow, Assignment{Role: Viewer, AllApps: true, Countries: []string{"DE"}}, true},
		{"outside the narrowing", narrow, Assignment{Role: Viewer, AllApps: true, Countries: []string{"US"}}, false},
		{"without the narrowing", narrow, Assignment{Role: Viewer, AllApps: true}, false},
		{"no apps", owner, Assignment{Role: Viewer}, false},
		{"unknown role", owner, Assignment{Role: "root", AllApps: true}, false},
		{"custom role", operator, Assignment{Role: "clerk", Apps: []string{"a"}, Granted: []Permission{AppsRead, AuditRead}}, true},
		{"custom role above", operator, Assignment{Role: "clerk", Apps: []string{"a"}, Granted: []Permission{AppsRead, RawRead}}, false},
	} {
		if got := MayGrant(c.p, c.grant); got != c.want {
			t.Errorf("%s: MayGrant = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAssignmentJSON(t *testing.T) {
	for _, text := range []string{
		`{"role":"owner","apps":"*"}`,
		`{"role":"viewer","apps":["a","b"],"media_sources":["x"],"countries":["DE"]}`,
	} {
		var a Assignment
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(); err != nil {
			t.Fatal(err)
		}
		back, err := json.Marshal(a)
		if err != nil || string(back) != text {
			t.Errorf("round trip of %s = %s, %v", text, back, err)
		}
	}
	for _, text := range []string{
		`{"role":"owner"}`, `{"role":"owner","apps":"a"}`, `{"role":"owner","apps":[]}`, `{"role":"Root","apps":"*"}`,
		`{"role":"owner","apps":"*","is_admin":true}`, `{"role":"viewer","apps":[""]}`, `{"role":"viewer","apps":{}}`,
	} {
		var a Assignment
		if err := json.Unmarshal([]byte(text), &a); err == nil && a.Validate() == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

func TestCustomRolesGrantWhatTheyCarry(t *testing.T) {
	clerk := Principal{Assignments: []Assignment{{Role: "clerk", Apps: []string{"a"}, Granted: []Permission{CostsWrite}}, {Role: "gone", AllApps: true}}}
	if !Can(clerk, CostsWrite, "a") || Can(clerk, CostsWrite, "b") || Can(clerk, AppsRead, "a") || len(Held(clerk)) != 1 {
		t.Errorf("clerk holds %v", Held(clerk))
	}
	for name, want := range map[Role]bool{"clerk": true, "a1-b": true, "owner": false, "a": false, "1a": false, "Clerk": false, "a_b": false, "é": false, "": false} {
		if name.Custom() != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestOwner(t *testing.T) {
	if !IsOwner([]Assignment{{Role: Viewer, AllApps: true}, {Role: Owner, AllApps: true}}) {
		t.Error("an owner is not one")
	}
	for _, a := range []Assignment{{Role: Owner, Apps: []string{"a"}}, {Role: Owner, AllApps: true, Countries: []string{"DE"}}, {Role: Operator, AllApps: true}} {
		if IsOwner([]Assignment{a}) {
			t.Errorf("%v counts as an owner of the installation", a)
		}
	}
}
