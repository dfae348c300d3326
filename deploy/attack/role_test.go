package attack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
)

const absentID = "00000000-0000-0000-0000-000000000000"

func roleAttacks() []attack {
	return []attack{
		{id: 23, run: attack23Matrix, denied: "access.denied", note: "against the golden file of `aggregator/api`"}, {id: 24, run: attack24ForeignIDs, denied: "access.denied"}, {id: 25, run: attack25IDInBody}, {id: 26, run: attack26MassAssignment},
		{id: 27, run: attack27Granting, denied: "access.denied"}, {id: 28, run: attack28LastOwner}, {id: 29, run: attack29Downgrade, denied: "access.denied"}, {id: 30, run: attack30Limits},
		{id: 31, run: attack31QueryInjection}, {id: 32, run: attack32OddPaths}, {id: 33, run: attack33KeyOfAnotherApp}, {id: 34, run: attack34WrongDoor},
	}
}

// callers are the columns of the golden matrix, by name.
func (s *suite) callers(own string) map[string]string {
	s.Helper()
	tokens := map[string]string{"no-token": "", "bad-token": "x.y.z"}
	log := func(name string, roles ...access.Assignment) {
		s.person(name+"@matrix.example.com", roles...)
		tokens[name] = s.login(name+"@matrix.example.com", password)
	}
	for _, role := range access.Roles() {
		log(string(role), everywhere(role))
		log(string(role)+"-of-one", access.Assignment{Role: role, Apps: []string{own}})
	}
	log("nobody")
	log("disabled", everywhere(access.Owner))
	began := time.Now()
	s.quiet().call(s.Aggregators[0].URL, "PATCH", "users/"+s.person("disabled@matrix.example.com"), s.owner, map[string]any{"disabled": true}).want(200)
	s.refusedEverywhere(tokens["disabled"], began)
	tokens["owner-token"] = s.apiToken(tokens["owner"], "*", access.Permissions()...)
	tokens["reader-token"] = s.apiToken(tokens["owner"], []string{own}, access.AppsRead, access.ReportsRead)
	f := s.forger()
	tokens["expired"] = f.own(nil, map[string]any{"iat": began.Unix() - 3600, "exp": began.Unix() - 60})
	return tokens
}

// apiToken makes an API token of whoever has the access token.
func (s *suite) apiToken(token string, apps any, permissions ...access.Permission) string {
	s.Helper()
	var made struct{ Token string }
	s.quiet().call(s.Aggregators[0].URL, "POST", "me/tokens", token, map[string]any{"name": "matrix", "apps": apps, "permissions": permissions, "expires_in_days": 1}).want(201).decode(&made)
	s.plant(made.Token)
	return made.Token
}

// attack23Matrix holds the routes of the live system against the golden file.
func attack23Matrix(s *suite) {
	golden, err := os.ReadFile(filepath.Join("..", "..", "aggregator", "api", "testdata", "matrix.txt"))
	if err != nil {
		s.Fatal(err)
	}
	own, _, _ := s.app("Own")
	foreign, _, _ := s.app("Foreign")
	tokens := s.callers(own)
	known := map[string]bool{}
	var method, path string
	cells := 0
	for line := range strings.Lines(string(golden)) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "  ") {
			head, _, _ := strings.Cut(line, ": ")
			app := own
			if strings.HasSuffix(head, " (foreign)") {
				app = foreign
			}
			head = strings.TrimSuffix(strings.TrimSuffix(head, " (foreign)"), " (own)")
			known[head] = true
			method, path, _ = strings.Cut(head, " ")
			path = strings.ReplaceAll(path, "{app}", app)
			continue
		}
		fields := strings.Fields(line)
		for _, name := range fields[1:] {
			if _, there := tokens[name]; !there {
				s.Logf("%s is a caller that is only tried by the tests of aggregator/api", name)
				continue
			}
			s.cell(method, path, fields[0], name, tokens)
			cells++
		}
	}
	if cells < 500 {
		s.Errorf("only %d cells are in the golden file", cells)
	}
	s.everyRouteKnown(known)
}

// cell sends one request, which cannot change anything even where it is allowed.
func (s *suite) cell(method, path, verdict, caller string, tokens map[string]string) {
	s.Helper()
	token := tokens[caller]
	if method == "DELETE" && strings.Count(path, "/") == 1 && strings.HasPrefix(path, "apps/") && verdict == "yes" {
		return // it would succeed
	}
	if strings.HasSuffix(path, "/events/stream") && verdict == "yes" {
		return // it would not end
	}
	var body any
	if method == "POST" || method == "PUT" || method == "PATCH" {
		body = `{"no such field":1}`
		if strings.HasSuffix(path, "/revoke") || strings.HasPrefix(path, "auth/refresh") || strings.HasPrefix(path, "auth/logout") {
			body = nil
		}
	}
	path = regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, absentID)
	got := s.console(method, path, token, body)
	ok := fmt.Sprint(got.status) == verdict
	if verdict == "yes" {
		ok = slices.Contains([]int{200, 201, 204, 303, 400, 404}, got.status)
	}
	if !ok {
		s.Errorf("%s as %s: status %d, the golden file says %s: %.200s", got.what, caller, got.status, verdict, got.body)
	}
}

// everyRouteKnown holds the routes that the server publishes against the golden file.
func (s *suite) everyRouteKnown(known map[string]bool) {
	s.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	s.console("GET", "openapi.json", "", nil).want(200).decode(&document)
	for path, methods := range document.Paths {
		for method := range methods {
			if route := strings.ToUpper(method) + " " + strings.TrimPrefix(strings.TrimPrefix(path, "/api/v1"), "/"); !known[route] && method != "parameters" {
				s.Errorf("route %s is not in the golden file", route)
			}
		}
	}
}

// tenants are two apps with a person who owns the first only, and a link, a key and
// a conversion of the second.
type tenants struct {
	mine, theirs             string
	token                    string
	link, key, conversion    string
	theirClient, theirServer string
}

func (s *suite) tenants() tenants {
	s.Helper()
	var n tenants
	n.mine, _, _ = s.app("Mine")
	n.theirs, n.theirClient, n.theirServer = s.app("Theirs")
	s.person("tenant-"+n.mine+"@example.com", access.Assignment{Role: access.Owner, Apps: []string{n.mine}})
	n.token = s.login("tenant-"+n.mine+"@example.com", password)
	link, err := s.Accounts.Apps.CreateLink(s.Context(), apps.Link{App: n.theirs, MediaSource: "mail", Fallback: "https://example.com/"})
	if err != nil {
		s.Fatal(err)
	}
	keys, err := s.Accounts.Apps.Keys(s.Context(), n.theirs)
	if err != nil {
		s.Fatal(err)
	}
	n.link, n.key, n.conversion = link.ID, keys[0].ID, "order-of-"+n.theirs
	s.quiet().event(s.Agents[0], n.theirServer, "/v1/track", map[string]any{"event": "Order Completed", "userId": "u", "messageId": n.conversion, "properties": map[string]any{"revenue": 10, "currency": "EUR"}}).want(200)
	s.stored(n.theirs, 1)
	s.Await("the conversion is credited", func() error {
		if got := s.quiet().call(s.Aggregators[0].URL, "GET", "apps/"+n.theirs+"/conversions/"+n.conversion, s.owner, nil); got.status != 200 {
			return fmt.Errorf("status %d", got.status)
		}
		return nil
	})
	return n
}

func attack24ForeignIDs(s *suite) {
	n := s.tenants()
	routes := []struct{ method, path, id string }{
		{"GET", "apps/{app}", ""}, {"PATCH", "apps/{app}", ""}, {"DELETE", "apps/{app}", ""}, {"GET", "apps/{app}/keys", ""}, {"POST", "apps/{app}/keys", ""},
		{"DELETE", "apps/{app}/keys/{id}", n.key}, {"GET", "apps/{app}/attribution", ""}, {"PUT", "apps/{app}/attribution", ""}, {"GET", "apps/{app}/attribution/versions", ""},
		{"GET", "apps/{app}/links", ""}, {"POST", "apps/{app}/links", ""}, {"GET", "apps/{app}/links/{id}", n.link}, {"PUT", "apps/{app}/links/{id}", n.link}, {"DELETE", "apps/{app}/links/{id}", n.link},
		{"GET", "apps/{app}/reports/overview", ""}, {"GET", "apps/{app}/reports/timeseries", ""}, {"GET", "apps/{app}/reports/attribution", ""}, {"GET", "apps/{app}/reports/sources", ""},
		{"GET", "apps/{app}/conversions", ""}, {"GET", "apps/{app}/conversions/{id}", n.conversion},
	}
	for _, r := range routes {
		var body any
		if r.method == "POST" || r.method == "PUT" || r.method == "PATCH" {
			body = "{}"
		}
		seen := map[string]bool{}
		for _, app := range []string{n.theirs, absentID, n.theirs[:len(n.theirs)-1] + "0", strings.ToUpper(n.theirs)} {
			for _, id := range []string{r.id, absentID} {
				path := strings.NewReplacer("{app}", app, "{id}", id).Replace(r.path)
				p := s.console(r.method, path, n.token, body).want(404).problem()
				seen[p.Code+p.Detail] = true
			}
		}
		if len(seen) != 1 {
			s.Errorf("%s %s tells foreign from missing: %v", r.method, r.path, seen)
		}
		if r.id != "" { // their thing, under my app
			s.console(r.method, strings.NewReplacer("{app}", n.mine, "{id}", r.id).Replace(r.path), n.token, validLink(r.path, body)).want(404)
		}
	}
	mySession := s.sessionOf(n.token)
	s.console("DELETE", "me/sessions/"+s.sessionOf(s.owner), n.token, nil).want(404)
	s.console("DELETE", "me/sessions/"+mySession+"x", n.token, nil).want(404)
	s.quiet().call(s.Aggregators[0].URL, "GET", "apps/"+n.theirs+"/links/"+n.link, s.owner, nil).want(200)
	s.quiet().call(s.Aggregators[0].URL, "GET", "apps/"+n.theirs+"/conversions/"+n.conversion, s.owner, nil).want(200)
}

// validLink is a body that a link could have, so that nothing but the id is wrong.
func validLink(path string, body any) any {
	if body != nil && strings.Contains(path, "/links") {
		return map[string]any{"media_source": "mine", "fallback": "https://evil.example/"}
	}
	return body
}

func (s *suite) sessionOf(token string) string {
	s.Helper()
	var sessions struct {
		Data []struct {
			ID      string
			Current bool
		}
	}
	s.quiet().call(s.Aggregators[0].URL, "GET", "me/sessions", token, nil).want(200).decode(&sessions)
	for _, session := range sessions.Data {
		if session.Current {
			return session.ID
		}
	}
	s.Fatal("no current session")
	return ""
}

func attack25IDInBody(s *suite) {
	n := s.tenants()
	for _, field := range []string{"id", "app", "app_id", "App", "ID", "tenant", "created_at"} {
		s.console("PATCH", "apps/"+n.mine, n.token, map[string]any{"name": "Renamed", field: n.theirs}).want(400)
		s.console("POST", "apps/"+n.mine+"/links", n.token, map[string]any{"media_source": "x", "fallback": "https://example.com/", field: n.theirs}).want(400)
		s.console("POST", "apps/"+n.mine+"/keys", n.token, map[string]any{"kind": "client", field: n.theirs}).want(400)
	}
	for _, query := range []string{"app=" + n.theirs, "app_id=" + n.theirs, "apps=" + n.theirs, "id=" + n.theirs} {
		for _, report := range []string{"overview", "timeseries", "attribution", "sources"} {
			s.console("GET", "apps/"+n.mine+"/reports/"+report+"?"+query, n.token, nil).want(400)
		}
	}
}

func attack26MassAssignment(s *suite) {
	id := s.person("mass@example.com", everywhere(access.Viewer))
	token := s.login("mass@example.com", password)
	for field, value := range map[string]any{
		"role": "owner", "roles": []any{map[string]any{"role": "owner", "apps": "*"}}, "org_id": "x", "is_admin": true, "created_at": "2020-01-01T00:00:00Z", "id": "x", "email": "x@example.com",
		"disabled": false, "permissions": []string{"users.manage"}, "session_epoch": 1, "password_hash": "x", "__proto__": map[string]any{"admin": true}, "constructor": "x",
	} {
		s.console("PATCH", "me", token, map[string]any{"name": "Mass", field: value}).want(400)
		s.console("PATCH", "users/"+id, token, map[string]any{field: value}).want(403)
		s.console("POST", "apps", s.owner, map[string]any{"name": "Mass", field: value}).want(400)
		s.console("POST", "agents/enrollment-tokens", s.owner, map[string]any{"name": "x", "region": "x", field: value}).want(400)
	}
	var user people.User
	s.quiet().call(s.Aggregators[0].URL, "GET", "users/"+id, s.owner, nil).want(200).decode(&user)
	if user.Name != "mass@example.com" || len(user.Roles) != 1 || user.Roles[0].Role != access.Viewer {
		s.Errorf("the person is now %+v", user)
	}
}

func attack27Granting(s *suite) {
	target := s.person("granted@example.com", everywhere(access.Viewer))
	grant := map[string]any{"roles": []any{map[string]any{"role": "owner", "apps": "*"}}}
	for _, role := range access.Roles() {
		for _, a := range []access.Assignment{everywhere(role), {Role: role, Apps: []string{s.App}}, {Role: role, AllApps: true, Countries: []string{"DE"}}} {
			if role == access.Owner && a.AllApps && len(a.Countries) == 0 {
				continue
			}
			name := fmt.Sprintf("grants-%s-%v-%d@example.com", role, a.AllApps, len(a.Countries))
			self := s.person(name, a)
			token := s.login(name, password)
			for _, who := range []string{target, self} {
				s.console("PUT", "users/"+who+"/roles", token, grant).want(403)
				s.console("PATCH", "users/"+who, token, map[string]any{"password": "another password of theirs"}).want(403)
			}
			s.console("POST", "users", token, map[string]any{"email": "new@example.com", "name": "New", "roles": grant["roles"]}).want(403)
			if role == access.Viewer && a.AllApps {
				s.audited("access.denied", func() *answer {
					return s.quiet().call(s.Aggregators[0].URL, "PUT", "users/"+self+"/roles", token, grant).want(403)
				})
			}
		}
	}
	for _, roles := range []any{"owner", []any{map[string]any{"role": "root", "apps": "*"}}, []any{map[string]any{"role": "owner"}}, []any{map[string]any{"role": "owner", "apps": []string{}}},
		[]any{map[string]any{"role": "viewer", "apps": "*", "permissions": []string{"users.manage"}}}, nil} {
		s.console("PUT", "users/"+target+"/roles", s.owner, map[string]any{"roles": roles}).want(400)
	}
}

func attack28LastOwner(s *suite) {
	first := s.sessionUser(s.owner)
	for _, other := range s.owners() { // those of other groups
		if other == first {
			continue
		}
		if _, err := s.Accounts.People.SetRoles(s.Context(), other, []access.Assignment{}); err != nil {
			s.Fatal(err)
		}
	}
	s.console("DELETE", "users/"+first, s.owner, nil).want(409)
	s.console("PATCH", "users/"+first, s.owner, map[string]any{"disabled": true}).want(409)
	s.console("PUT", "users/"+first+"/roles", s.owner, map[string]any{"roles": []any{}}).want(409)
	s.console("PUT", "users/"+first+"/roles", s.owner, map[string]any{"roles": []any{map[string]any{"role": "owner", "apps": "*", "countries": []string{"DE"}}}}).want(409)
	for range 3 {
		second := s.person("second-owner@example.com", everywhere(access.Owner))
		token := s.login("second-owner@example.com", password)
		var wg sync.WaitGroup
		answers := make([]int, 2)
		wg.Go(func() {
			answers[0] = s.as("").call(s.Aggregators[0].URL, "PUT", "users/"+second+"/roles", s.owner, map[string]any{"roles": []any{}}).status
		})
		wg.Go(func() {
			answers[1] = s.as("").call(s.Aggregators[1].URL, "PUT", "users/"+first+"/roles", token, map[string]any{"roles": []any{}}).status
		})
		wg.Wait()
		slices.Sort(answers)
		if answers[0] != 200 || !slices.Contains([]int{401, 403, 409}, answers[1]) {
			s.Errorf("two owners who take each other's roles: %v", answers)
		}
		if left := s.owners(); len(left) != 1 {
			s.Fatalf("%d owners are left", len(left))
		}
		for _, id := range []string{first, second} {
			if _, err := s.Accounts.People.SetRoles(s.Context(), id, []access.Assignment{everywhere(access.Owner)}); err != nil {
				s.Fatal(err)
			}
		}
	}
	if _, err := s.Accounts.People.SetRoles(s.Context(), s.person("second-owner@example.com"), []access.Assignment{}); err != nil {
		s.Fatal(err)
	}
}

// sessionUser is whose token it is.
func (s *suite) sessionUser(token string) string {
	s.Helper()
	var me struct{ ID string }
	s.quiet().call(s.Aggregators[0].URL, "GET", "me", token, nil).want(200).decode(&me)
	return me.ID
}

// owners are those who can log in and own everything, asked in the database itself.
func (s *suite) owners() []string {
	s.Helper()
	users, err := s.Accounts.People.Users(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	var ids []string
	for _, u := range users {
		whole := func(a access.Assignment) bool {
			return a.Role == access.Owner && a.AllApps && len(a.Countries)+len(a.MediaSources) == 0
		}
		if !u.Disabled && slices.ContainsFunc(u.Roles, whole) {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

func attack29Downgrade(s *suite) {
	id := s.person("downgraded@example.com", everywhere(access.Owner))
	token := s.login("downgraded@example.com", password)
	for _, node := range s.Aggregators {
		s.as("").call(node.URL, "GET", "users", token, nil).want(200)
	}
	began := time.Now()
	s.quiet().call(s.Aggregators[0].URL, "PUT", "users/"+id+"/roles", s.owner, map[string]any{"roles": []any{map[string]any{"role": "viewer", "apps": "*"}}}).want(200)
	for _, node := range s.Aggregators {
		s.Await("the role is gone", func() error {
			if got := s.quiet().call(node.URL, "GET", "users", token, nil); got.status != 403 {
				return fmt.Errorf("status %d", got.status)
			}
			return nil
		})
		if took := time.Since(began); took > 5*time.Second {
			s.Errorf("the role was gone after %v", took)
		}
		for _, route := range []string{"users", "audit", "agents", "cluster", "apps/" + s.App + "/keys", "apps/" + s.App + "/events"} {
			s.as("").call(node.URL, "GET", route, token, nil).want(403)
		}
		s.as("").call(node.URL, "GET", "apps/"+s.App+"/reports/overview", token, nil).want(200)
	}
}

func attack30Limits(s *suite) {
	lists := []string{"audit", "apps/" + s.App + "/links", "apps/" + s.App + "/conversions"}
	for _, list := range lists {
		for _, limit := range []string{"1e9", "1000000000", "-1", "0", "1001", "1.5", "0x10", "NaN", " 1", "१", "1;drop", "99999999999999999999", "null", "true", "1,2", "+"} {
			s.console("GET", list+"?limit="+url.QueryEscape(limit), s.owner, nil).want(400)
		}
		for _, query := range []string{"order=;drop", "order_by=1", "sort=name", "limit=1&limit=2", "offset=5", "page=1", "cursor=" + strings.Repeat("x", 5000), "%zz", "limit=1;cursor=2", "filter[]=x", "fields=password"} {
			s.console("GET", list+"?"+query, s.owner, nil).want(400)
		}
	}
	for _, cursor := range []string{"abc", "-1", "0", "1e3", "99999999999999999999", "' OR 1=1 --", "9223372036854775808"} {
		s.console("GET", "audit?cursor="+url.QueryEscape(cursor), s.owner, nil).want(400)
	}
}

// injections are values that a careless program would take for its own words.
func injections() []string {
	return []string{"'", "''", `"`, "`", "\\", "\\'", "' OR 1=1 --", "x' UNION ALL SELECT name FROM system.tables --", "1; DROP TABLE events", "x FORMAT JSON", "x SETTINGS max_threads=1", "/* x */", "-- x",
		"{app:String}", "{{x}}", "${x}", "%00", "\x00", "\n", "\r\n", "\t", "x\nFORMAT CSV", "sleep(10)", "' || sleep(3) || '", "file('/etc/passwd')", "url('http://127.0.0.1/')", "../../etc/passwd", "<script>", "=1+1",
		"\u202e", "𝕏", strings.Repeat("'", 500), "null", "true", "[]", "{}", "$1", "?", "@x", "0x27", "%27", "%2527"}
}

func attack31QueryInjection(s *suite) {
	reports := map[string][]string{
		"overview": {"from", "to", "tz"}, "timeseries": {"from", "to", "tz", "interval", "metric", "currency"}, "attribution": {"from", "model", "group_by", "currency", "tz"}, "sources": {"to", "currency"},
	}
	slowest := time.Duration(0)
	for report, names := range reports {
		for _, name := range names {
			for _, value := range injections() {
				got := s.console("GET", "apps/"+s.App+"/reports/"+report+"?"+name+"="+url.QueryEscape(value), s.owner, nil).want(400)
				slowest = max(slowest, got.took)
			}
		}
	}
	for _, value := range injections() {
		// Ids and cursors are any text: an unknown one is not found, and nothing else happens.
		s.console("GET", "apps/"+s.App+"/conversions/"+url.PathEscape(value), s.owner, nil).want(404, 400)
		s.console("GET", "apps/"+s.App+"/conversions?cursor="+url.QueryEscape(value), s.owner, nil).want(400)
		s.console("GET", "apps/"+url.PathEscape(value)+"/reports/overview", s.owner, nil).want(404, 400)
		s.console("GET", "users/"+url.PathEscape(value), s.owner, nil).want(404, 400)
		s.console("GET", "audit?actor="+url.QueryEscape(value), s.owner, nil).want(200, 400)
		s.console("GET", "apps/"+s.App+"/links?cursor="+url.QueryEscape(value), s.owner, nil).want(200, 400)
	}
	if slowest > 2*time.Second {
		s.Errorf("an injected query took %v", slowest)
	}
}

func attack32OddPaths(s *suite) {
	s.person("low@example.com", everywhere(access.Viewer))
	low := s.login("low@example.com", password)
	for _, path := range []string{
		"/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/users", "/api/v1//users", "/api/v1/users/", "/api/v1/./users", "/api/v1/x/../users", "/api/v1/%2e%2e/v1/users", "/api/v1/%2e/users", "/api/v1/Users", "/api/v1/USERS",
		"/api/v1/users%2f", "/api/v1/users%00", "/api/v1/users;x", "/api/v1/users.json", "/api/v1/users%20", "/api/v1/me/%2e%2e/users", "/api/v1/apps/..%2fusers", "/api//v1/users", "/api/v1/users/%2e%2e", "/api/v1/users?/../me/",
		"/api/v1/us%65rs/", "/api/v1/me/../users", "/api/v1/%75sers/%2e",
	} {
		got := s.console("GET", path, low, nil)
		if got.status != 404 && got.status != 403 && got.status != 400 {
			s.Errorf("%s: status %d", path, got.status)
		}
	}
	s.console("GET", "/api/v1/us%65rs", low, nil).want(403)         // the same route, the same decision
	s.console("GET", "/API/v1/users", low, nil).want(200, 404, 503) // a page of the console, or nothing
	for _, method := range []string{"PUT", "PATCH", "DELETE", "TRACE", "HEAD", "PROPFIND", "OPTIONS", "CONNECT", "get", "X"} {
		if method == "CONNECT" {
			continue // has no path
		}
		s.console(method, "users", low, nil).want(405, 400)
	}
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-User", "X-Remote-User", "X-User-Id", "Forwarded", "X-Forwarded-For", "X-Real-IP", "X-Original-Method"} {
		for _, value := range []string{"/api/v1/me", "GET", "DELETE", "127.0.0.1", s.people["low@example.com"]} {
			s.with(name, value).call(s.Aggregators[0].URL, "GET", "users", low, nil).want(403)
		}
	}
	for _, query := range []string{"_method=DELETE", "access_token=" + s.owner, "token=" + s.owner, "role=owner"} {
		s.console("GET", "users?"+query, low, nil).want(403)
	}
}

func attack33KeyOfAnotherApp(s *suite) {
	n := s.tenants()
	_, mine, mineServer := s.app("Writer")
	for _, key := range []string{mine, mineServer} {
		for _, field := range []string{"app", "appId", "app_id", "writeKey", "App"} {
			for i, at := range s.Agents {
				s.as("").event(at, key, "/v1/track", map[string]any{"event": "Foreign", "userId": "u", "messageId": fmt.Sprintf("foreign-%s-%d", field, i), field: n.theirs}).want(200)
				s.as("").event(at, key, "/v1/batch", map[string]any{"writeKey": n.theirClient, "batch": []any{map[string]any{"type": "track", "event": "Foreign", "userId": "u", "messageId": fmt.Sprintf("foreign-%s-b%d", field, i), "context": map[string]any{field: n.theirs}}}}).want(200)
			}
		}
	}
	for _, key := range []string{n.theirs, n.theirClient[:len(n.theirClient)-1], n.theirClient + "x", strings.ToUpper(n.theirClient), " ", "wk_", "sk_" + n.theirClient[3:], n.key, s.owner, "*", "null"} {
		for _, at := range s.Agents {
			s.as("").event(at, key, "/v1/track", `{"event":"Foreign","userId":"u"}`).want(401)
			s.as("").event(at, "", "/v1/track", map[string]any{"event": "Foreign", "userId": "u", "writeKey": key}).want(401)
		}
	}
	s.quiet().event(s.Agents[0], n.theirServer, "/v1/track?sync=true", `{"event":"Last","userId":"u"}`).want(200)
	s.stored(n.theirs, 2) // its own, and none of the others by then
}

func attack34WrongDoor(s *suite) {
	track := `{"event":"x","userId":"u"}`
	for _, at := range s.Agents {
		for _, path := range []string{"/v1/track", "/v1/batch", "/v1/identify", "/v1/s2s/touch", "/v1/import"} {
			s.with("Authorization", "Bearer "+s.owner).event(at, "", path, track).want(401)
			s.as("").event(at, s.owner, path, track).want(401)
		}
		for _, path := range []string{"/api/v1/me", "/api/v1/users", "/api/v1/apps"} {
			s.as("").call(at.URL, "GET", path, s.owner, nil).want(404)
		}
		s.as("").call(at.URL, "GET", "/v1/projects/"+s.owner[:200]+"/settings", "", nil).want(401)
	}
	for _, node := range s.Aggregators {
		for _, key := range []string{s.WriteKey, s.ServerKey} {
			for _, route := range []string{"me", "apps", "users", "agents"} {
				s.as("").call(node.URL, "GET", route, key, nil).want(401)
				s.with("Authorization", "Basic "+key).call(node.URL, "GET", route, "", nil).want(401)
			}
		}
		for _, path := range []string{"/v1/track", "/v1/batch"} {
			s.as("").call(node.URL, "POST", path, s.WriteKey, track).want(405, 404)
		}
	}
}
