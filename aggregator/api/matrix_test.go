package api

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
)

// caller is a column of the matrix.
type caller struct {
	name  string
	token string
}

// callers are the five roles for all apps, the five for one app, the five narrowed to a media source of
// one app and to a country of all, API tokens, somebody without a role, and
// requests without a good token.
func (s *system) callers(own string) []caller {
	s.t.Helper()
	token := func(name string, roles ...access.Assignment) caller {
		s.user(name+"@example.com", roles...)
		return caller{name, s.login(name + "@example.com").token}
	}
	var list []caller
	for _, role := range access.Roles() {
		list = append(list, token(string(role), access.Assignment{Role: role, AllApps: true}))
	}
	for _, role := range access.Roles() {
		list = append(list, token(string(role)+"-of-one", access.Assignment{Role: role, Apps: []string{own}}))
	}
	for _, role := range access.Roles() {
		list = append(list, token(string(role)+"-of-google", access.Assignment{Role: role, Apps: []string{own}, MediaSources: []string{"google"}}))
		list = append(list, token(string(role)+"-of-DE", access.Assignment{Role: role, AllApps: true, Countries: []string{"DE"}}))
	}
	s.clock.advance(-time.Hour)
	expired := s.login("owner@example.com").token
	s.clock.advance(time.Hour)
	disabled, gone := token("disabled", access.Assignment{Role: access.Owner, AllApps: true}), true
	id := s.session(disabled.token).User.ID
	if _, err := s.accounts.People.UpdateUser(s.t.Context(), id, people.UserChange{Disabled: &gone}); err != nil {
		s.t.Fatal(err)
	}
	s.auth.forget(id)
	boss := s.login("owner@example.com")
	list = append(list, caller{"owner-token", boss.apiToken("*", access.Permissions()...).Secret},
		caller{"reader-token", boss.apiToken([]string{own}, access.AppsRead, access.ReportsRead).Secret})
	return append(list, token("nobody"), disabled, caller{"no-token", ""}, caller{"bad-token", "x.y.z"}, caller{"expired", expired})
}

func (s *system) session(token string) people.Session {
	s.t.Helper()
	session, err := s.auth.session(s.t.Context(), "Bearer "+token)
	if err != nil {
		s.t.Fatal(err)
	}
	return session
}

// TestMatrix sends every route of the table as every caller, for an own and for a foreign app, and
// compares the decisions with the golden file. Requests that pass the decision fail in the handler,
// because they carry nothing: 2xx, 400 and 404 of the handler are all "yes".
func TestMatrix(t *testing.T) {
	s := newSystem(t)
	own, foreign := s.app("Own"), s.app("Foreign")
	callers := s.callers(own)
	var b strings.Builder
	for _, r := range routes() {
		apps := []string{own}
		if strings.Contains(r.path, "{app}") {
			apps = []string{own, foreign}
		}
		for _, app := range apps {
			which := ""
			if len(apps) > 1 {
				which = map[string]string{own: " (own)", foreign: " (foreign)"}[app]
			}
			fmt.Fprintf(&b, "%s %s%s: %s\n", r.method, r.path, which, r.rule)
			groups := map[string][]string{}
			for _, c := range callers {
				verdict := s.decision(&r, app, c)
				groups[verdict] = append(groups[verdict], c.name)
			}
			for _, verdict := range []string{"yes", "403", "404", "401"} {
				if len(groups[verdict]) > 0 {
					fmt.Fprintf(&b, "  %s  %s\n", verdict, strings.Join(groups[verdict], " "))
					delete(groups, verdict)
				}
			}
			if len(groups) > 0 {
				t.Errorf("%s %s: %v", r.method, r.path, groups)
			}
		}
	}
	golden(t, "testdata/matrix.txt", b.String())
}

// decision sends one request that cannot succeed in changing anything.
func (s *system) decision(r *route, app string, who caller) string {
	path := r.path
	for _, name := range []string{"{key}", "{link}", "{user}", "{agent}", "{session}", "{conversion}", "{token}", "{role}", "{identity}", "{provider}", "{postback}", "{delivery}", "{event}", "{view}"} {
		path = strings.ReplaceAll(path, name, "00000000-0000-0000-0000-000000000000")
	}
	path = strings.ReplaceAll(path, "{app}", app)
	if r.media == "text/event-stream" {
		path += "?filter=none" // refused, else it would never end
	}
	c := s.client()
	c.token = who.token
	var body any
	if r.body != nil {
		body = map[string]any{"no such field": 1}
	}
	table := s.decisionOf(r, app, who)
	if r.method == "DELETE" && r.path == "apps/{app}" && table == "yes" {
		return table // it would succeed
	}
	got := c.send(r.method, path, body, nil)
	switch got.status {
	case 403, 401:
		if got.problem().Code == "unauthenticated" || got.status == 403 {
			return fmt.Sprint(got.status)
		}
	case 404:
		// The router's and the handler's 404 are the same on purpose; the table knows which it was.
		if table == "yes" || table == "404" {
			return table
		}
	case 200, 201, 204, 400:
		return "yes"
	}
	return fmt.Sprintf("%d %s", got.status, got.body)
}

// decisionOf asks the table itself.
func (s *system) decisionOf(r *route, app string, who caller) string {
	session, err := s.auth.session(s.t.Context(), "Bearer "+who.token)
	if err != nil {
		return "401"
	}
	if !strings.Contains(r.path, "{app}") {
		app = ""
	}
	if err := r.rule.decide(&session, app); err != nil {
		return fmt.Sprint(problemOf(err).Status)
	}
	return "yes"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; set UPDATE_GOLDEN=1, run again and read the diff:\n%s", name, got)
	}
}

func TestARouteWithoutAPermissionStopsTheStart(t *testing.T) {
	good := route{method: "GET", path: "x", rule: needs(access.AppsRead), handle: me, summary: "x"}
	for name, change := range map[string]func(*route){
		"no rule":            func(r *route) { r.rule = rule{} },
		"unknown permission": func(r *route) { r.rule = needs("apps.fly") },
		"public app":         func(r *route) { r.path, r.rule = "apps/{app}/x", public() },
		"own app":            func(r *route) { r.path, r.rule = "apps/{app}/x", own() },
		"change for any app": func(r *route) { r.method, r.rule = "POST", somewhere(access.AppsWrite) },
		"no handler":         func(r *route) { r.handle = nil },
		"method":             func(r *route) { r.method = "BREW" },
	} {
		bad := good
		change(&bad)
		if _, err := (&server{}).register([]route{bad}); err == nil {
			t.Errorf("%s: the table is accepted", name)
		}
	}
	if _, err := (&server{}).register([]route{good, good}); err == nil {
		t.Error("the same route twice is accepted")
	}
	if _, err := (&server{}).register([]route{good}); err != nil {
		t.Error(err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no options are accepted")
	}
}

func TestForeignIsLikeMissing(t *testing.T) {
	s := newSystem(t)
	own, foreign := s.app("Own"), s.app("Foreign")
	s.user("m@example.com", access.Assignment{Role: access.Owner, Apps: []string{own}})
	c := s.login("m@example.com")
	for _, r := range routes() {
		if !strings.Contains(r.path, "{app}") {
			continue
		}
		answers := []string{}
		for _, app := range []string{foreign, "app_0000000000000000", "..;", "%2e%2e"} {
			path := strings.ReplaceAll(r.path, "{app}", app)
			for _, name := range []string{"{key}", "{link}", "{conversion}"} {
				path = strings.ReplaceAll(path, name, "known")
			}
			got := c.send(r.method, path, nil, nil).want(404)
			answers = append(answers, got.problem().Detail+got.problem().Code)
		}
		if slices.ContainsFunc(answers, func(a string) bool { return a != answers[0] }) {
			t.Errorf("%s %s tells foreign from missing: %q", r.method, r.path, answers)
		}
	}
	var apps page[struct{ ID string }]
	c.get("apps").want(200).decode(&apps)
	if len(apps.Data) != 1 || apps.Data[0].ID != own {
		t.Errorf("apps = %+v", apps)
	}
	c.get("apps/" + own + "/conversions/known").want(200)
	c.get("apps/" + own + "/conversions/unknown").want(404)
}

func TestRolesChangeMidSession(t *testing.T) {
	s := newSystem(t)
	owner := s.owner()
	app := s.app("Shop")
	user := s.user("a@example.com", access.Assignment{Role: access.Analyst, AllApps: true})
	c := s.login("a@example.com")
	c.get("apps/" + app + "/conflicts").want(200)
	owner.send("PUT", "users/"+user.ID+"/roles", map[string]any{"roles": []any{map[string]any{"role": "viewer", "apps": "*"}}}, nil).want(200)
	s.clock.advance(5 * time.Second)
	c.get("apps/" + app + "/conflicts").want(403).problem()
	c.get("apps/" + app + "/reports/overview").want(200)
	owner.send("PATCH", "users/"+user.ID, map[string]any{"disabled": true}, nil).want(200)
	s.clock.advance(5 * time.Second)
	c.get("apps/" + app + "/reports/overview").want(401)
}

func TestNarrowedRolesNarrowTheQuestion(t *testing.T) {
	s := newSystem(t)
	app := s.app("Shop")
	s.user("n@example.com", access.Assignment{Role: access.Viewer, Apps: []string{app}, MediaSources: []string{"mail"}, Countries: []string{"DE"}})
	c := s.login("n@example.com")
	c.get("apps/" + app + "/reports/overview").want(200)
	if !s.reports.asked([]string{"mail"}, []string{"DE"}) {
		t.Errorf("asked %+v", s.reports.last)
	}
	s.user("two@example.com", access.Assignment{Role: access.Viewer, Apps: []string{app}, MediaSources: []string{"mail"}},
		access.Assignment{Role: access.Analyst, Apps: []string{app}, Countries: []string{"DE"}})
	two := s.login("two@example.com")
	two.get("apps/" + app + "/reports/overview").want(403)
	two.get("apps/" + app + "/conversions").want(403)
	s.user("three@example.com", access.Assignment{Role: access.Analyst, Apps: []string{app}, Countries: []string{"DE"}})
	s.login("three@example.com").get("apps/" + app + "/conversions").want(200)
	if s.reports.asked([]string{"mail"}) || !s.reports.asked([]string{"DE"}) {
		t.Errorf("asked %+v", s.reports.last)
	}
}
