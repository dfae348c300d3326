package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// step is one call of the walk through the API.
type step struct {
	method string
	path   string // with {names} of earlier answers, as the OpenAPI document writes it
	query  string
	body   any
	want   int
	keep   string // name under which a field of the answer is kept
	field  string // which one; empty is its id
	lines  bool   // the answer is not one JSON object
}

// walk calls every route in an order in which each finds the things that it needs, and
// leaves nothing behind except audit entries.
func walk(unique, password string) []step {
	return slices.Concat(walkAccount(password), walkApp(unique), walkPostbacks(), walkRuns(), walkPeople(unique), walkProvider(), []step{
		{method: "GET", path: "agents", want: 200},
		{method: "GET", path: "agents/{unknown}", want: 404},
		{method: "POST", path: "agents/enrollment-tokens", body: map[string]any{"name": "walk", "region": "local"}, want: 201},
		{method: "PATCH", path: "agents/{unknown}", body: map[string]any{"url": "https://eu.example.com"}, want: 404},
		{method: "POST", path: "agents/{unknown}/revoke", want: 404},
		{method: "GET", path: "cluster", want: 200},

		{method: "DELETE", path: "apps/{app}", want: 204},
		{method: "POST", path: "auth/refresh", want: 200},
		{method: "POST", path: "auth/logout", want: 204},
	})
}

// walkToken asks for an API token.
func walkToken() map[string]any {
	return map[string]any{"name": "walk", "permissions": []string{"apps.read"}, "apps": "*", "expires_in_days": 1}
}

func walkAccount(password string) []step {
	proof := map[string]any{"current_password": password}
	return []step{
		{method: "GET", path: "openapi.json", want: 200},
		{method: "GET", path: "me", want: 200},
		{method: "PATCH", path: "me", body: map[string]any{"name": adminName}, want: 200},
		{method: "GET", path: "me/sessions", want: 200},
		{method: "DELETE", path: "me/sessions/{unknown}", want: 404},
		{method: "GET", path: "me/totp", want: 200},
		{method: "POST", path: "me/totp", body: proof, want: 201},
		{method: "POST", path: "me/totp/confirm", body: map[string]any{"code": "no code"}, want: 400},
		{method: "DELETE", path: "me/totp", body: proof, want: 204},
		{method: "GET", path: "me/identities", want: 200},
		{method: "DELETE", path: "me/identities/{unknown}", want: 404},
		{method: "GET", path: "me/tokens", want: 200},
		{method: "POST", path: "me/tokens", body: walkToken(), want: 201, keep: "token"},
		{method: "DELETE", path: "me/tokens/{token}", want: 204},
	}
}

func walkApp(unique string) []step {
	app := map[string]any{"name": "API walk " + unique, "currency": "EUR", "timezone": "UTC"}
	link := map[string]any{"media_source": "walk", "fallback": "https://example.com/"}
	return []step{
		{method: "GET", path: "apps", want: 200},
		{method: "POST", path: "apps", body: app, want: 201, keep: "app"},
		{method: "GET", path: "apps/{app}", want: 200},
		{method: "PATCH", path: "apps/{app}", body: map[string]any{"timezone": "Europe/Berlin"}, want: 200},
		{method: "POST", path: "apps/{app}/keys", body: map[string]any{"kind": "client", "name": "walk"}, want: 201, keep: "key"},
		{method: "GET", path: "apps/{app}/keys", want: 200},
		{method: "DELETE", path: "apps/{app}/keys/{key}", want: 204},
		{method: "GET", path: "apps/{app}/attribution", want: 200, keep: "settings"},
		{method: "PUT", path: "apps/{app}/attribution", body: "{settings}", want: 200},
		{method: "GET", path: "apps/{app}/attribution/versions", want: 200},
		{method: "GET", path: "apps/{app}/links", want: 200},
		{method: "POST", path: "apps/{app}/links", body: link, want: 201, keep: "link"},
		{method: "GET", path: "apps/{app}/links/{link}", want: 200},
		{method: "PUT", path: "apps/{app}/links/{link}", body: link, want: 200},
		{method: "DELETE", path: "apps/{app}/links/{link}", want: 204},

		{method: "PUT", path: "rates", body: map[string]any{"rates": []map[string]any{{"day": "1999-01-04", "from": "EUR", "to": "XTS", "rate": "1.25"}}}, want: 200},
		{method: "GET", path: "rates", query: "limit=10", want: 200},
		{method: "PUT", path: "rates", body: map[string]any{"rates": []map[string]any{{"day": "1999-01-04", "from": "EUR", "to": "XTS", "rate": "0"}}}, want: 200},
		{method: "GET", path: "apps/{app}/reports/overview", query: "currency=EUR", want: 200},
		{method: "GET", path: "apps/{app}/reports/timeseries", query: "metric=installs&interval=day", want: 200},
		{method: "GET", path: "apps/{app}/reports/attribution", query: "model=linear&group_by=media_source&currency=USD", want: 200},
		{method: "GET", path: "apps/{app}/reports/attribution", query: "model=markov", want: 200},
		{method: "GET", path: "apps/{app}/reports/compare", query: "a=linear&b=shapley", want: 200},
		{method: "GET", path: "apps/{app}/reports/sources", want: 200},
		{method: "GET", path: "apps/{app}/reports/late", want: 200},
		{method: "GET", path: "apps/{app}/reports/paths", query: "limit=10&currency=USD", want: 200},
		{method: "GET", path: "apps/{app}/reports/sources", query: "format=csv", want: 200, lines: true},
		{method: "GET", path: "apps/{app}/reports/performance", query: "group_by=media_source,campaign,day&models=all&compare=previous", want: 200},
		{method: "GET", path: "apps/{app}/reports/why", query: "filter=media_source:organic", want: 200},
		{method: "GET", path: "apps/{app}/reports/insights", query: "compare=previous", want: 200},
		{method: "GET", path: "apps/{app}/reports/cohorts", query: "metric=ltv&cohort=week&group_by=media_source&days=7", want: 200},
		{method: "GET", path: "apps/{app}/reports/retention", query: "days=7", want: 200},
		{method: "GET", path: "apps/{app}/reports/funnel", query: "step=Application+Installed&step=Order+Completed", want: 200},
		{method: "GET", path: "apps/{app}/reports/fraud", query: "by=rule,media_source", want: 200},
		{method: "GET", path: "apps/{app}/events", query: "limit=10", want: 200},
		{method: "GET", path: "apps/{app}/events/{unknown}", want: 404},
		{method: "GET", path: "apps/{app}/events/stream", query: "filter=luck:1", want: 400},
		{method: "POST", path: "apps/{app}/views", body: map[string]any{"name": "Walk", "page": "campaigns", "query": "group_by=campaign"}, want: 201, keep: "view"},
		{method: "PUT", path: "apps/{app}/views/{view}", body: map[string]any{"name": "Walked", "page": "campaigns", "query": ""}, want: 200},
		{method: "GET", path: "apps/{app}/views", want: 200},
		{method: "DELETE", path: "apps/{app}/views/{view}", want: 204},
		{method: "PUT", path: "apps/{app}/aliases", body: map[string]any{"aliases": map[string]string{"fb": "facebook"}}, want: 200},
		{method: "GET", path: "apps/{app}/aliases", want: 200},
		{method: "POST", path: "apps/{app}/costs", body: map[string]any{"rows": []map[string]any{{"date": "2026-01-31", "media_source": "walk", "cost": "1.50"}}}, want: 200},
		{method: "GET", path: "apps/{app}/costs", query: "from=2026-01-01&to=2026-02-01", want: 200},
		{method: "GET", path: "apps/{app}/costs/coverage", query: "from=2026-01-01&to=2026-02-01", want: 200},
		{method: "GET", path: "apps/{app}/conversions", want: 200},
		{method: "GET", path: "apps/{app}/conversions", query: "format=csv", want: 200, lines: true},
		{method: "GET", path: "apps/{app}/conversions/{unknown}", want: 404},
	}
}

// walkPostbacks sends nothing: no name below .invalid resolves (RFC 2606).
func walkPostbacks() []step {
	postback := map[string]any{"name": "Walk", "enabled": true, "method": "GET", "format": "none", "url": "https://walk.invalid/?c={click_id}"}
	return []step{
		{method: "GET", path: "apps/{app}/postbacks/templates", want: 200},
		{method: "POST", path: "apps/{app}/postbacks/preview", body: postback, want: 200},
		{method: "POST", path: "apps/{app}/postbacks", body: postback, want: 201, keep: "postback"},
		{method: "GET", path: "apps/{app}/postbacks", want: 200},
		{method: "GET", path: "apps/{app}/postbacks/{postback}", want: 200},
		{method: "PUT", path: "apps/{app}/postbacks/{postback}", body: postback, want: 200},
		{method: "POST", path: "apps/{app}/postbacks/{postback}/test", want: 200},
		{method: "GET", path: "apps/{app}/postbacks/{postback}/deliveries", query: "state=dead&limit=10", want: 200},
		{method: "GET", path: "apps/{app}/postbacks/{postback}/deliveries/{unknown}", want: 404},
		{method: "POST", path: "apps/{app}/postbacks/{postback}/resend", body: map[string]any{}, want: 200},
		{method: "DELETE", path: "apps/{app}/postbacks/{postback}", want: 204},
	}
}

// walkRuns orders computations of the app, which are deleted with it.
func walkRuns() []step {
	return []step{
		{method: "GET", path: "apps/{app}/late-touches", want: 200},
		{method: "GET", path: "apps/{app}/conflicts", query: "limit=10", want: 200},
		{method: "GET", path: "apps/{app}/conversions/{unknown}/around", want: 404},
		{method: "POST", path: "apps/{app}/reports/data-driven", body: map[string]any{}, want: 202, keep: "learned"},
		{method: "GET", path: "apps/{app}/reports/data-driven", want: 200},
		{method: "GET", path: "apps/{app}/reports/data-driven/{learned}", want: 200},
		{method: "POST", path: "apps/{app}/reports/data-driven/{unknown}/cancel", want: 404},
		{method: "DELETE", path: "apps/{app}/reports/data-driven/{unknown}", want: 404},
		{method: "POST", path: "apps/{app}/attribution/preview", body: map[string]any{"settings": map[string]any{"lookback_ms": 86_400_000}}, want: 200},
		{method: "POST", path: "apps/{app}/backfills", body: map[string]any{"name": "walk", "settings": map[string]any{"lookback_ms": 86_400_000}}, want: 202, keep: "whatif"},
		{method: "GET", path: "apps/{app}/backfills", want: 200},
		{method: "GET", path: "apps/{app}/backfills/{whatif}", want: 200},
		{method: "POST", path: "apps/{app}/backfills/{unknown}/cancel", want: 404},
		{method: "DELETE", path: "apps/{app}/backfills/{unknown}", want: 404},
		{method: "POST", path: "apps/{app}/erasures", body: map[string]any{"user_id": "nobody-who-was-ever-here"}, want: 202, keep: "erasure"},
		{method: "GET", path: "apps/{app}/erasures", want: 200},
		{method: "GET", path: "apps/{app}/erasures/{erasure}", want: 200},
	}
}

func walkPeople(unique string) []step {
	viewer, custom := []map[string]any{{"role": "viewer", "apps": "*"}}, "walk-"+unique
	return []step{
		{method: "GET", path: "users", want: 200},
		{method: "GET", path: "roles", want: 200},
		{method: "POST", path: "roles", body: map[string]any{"role": custom, "permissions": []string{"apps.read"}}, want: 201, keep: "role", field: "role"},
		{method: "PUT", path: "roles/{role}", body: map[string]any{"description": "a walk", "permissions": []string{"reports.read"}}, want: 200},
		{method: "DELETE", path: "roles/{role}", want: 204},
		{method: "POST", path: "users", want: 201, keep: "user", body: map[string]any{"email": "walk-" + unique + "@example.com",
			"name": "Walk", "password": "a walk through the api " + unique, "roles": viewer}},
		{method: "GET", path: "users/{user}", want: 200},
		{method: "PATCH", path: "users/{user}", body: map[string]any{"name": "Walker"}, want: 200},
		{method: "PUT", path: "users/{user}/roles", body: map[string]any{"roles": viewer}, want: 200},
		{method: "POST", path: "users/{user}/reset-link", want: 201, keep: "reset", field: "token"},
		{method: "POST", path: "auth/accept", want: 204, body: map[string]any{"token": "{reset}", "password": "another walk " + unique}},
		{method: "DELETE", path: "users/{user}/totp", want: 404},
		{method: "GET", path: "users/{user}/identities", want: 200},
		{method: "DELETE", path: "users/{user}/identities/{unknown}", want: 404},
		{method: "DELETE", path: "users/{user}", want: 204},
		{method: "POST", path: "users", want: 201, keep: "robot", body: map[string]any{"kind": "service", "name": "Walk " + unique, "roles": viewer}},
		{method: "POST", path: "users/{robot}/tokens", body: walkToken(), want: 201, keep: "token"},
		{method: "GET", path: "users/{robot}/tokens", want: 200},
		{method: "DELETE", path: "users/{robot}/tokens/{token}", want: 204},
		{method: "DELETE", path: "users/{robot}", want: 204},
		{method: "GET", path: "audit", want: 200},
		{method: "GET", path: "audit/export", query: "outcome=denied", want: 200, lines: true},
		{method: "GET", path: "audit/verify", want: 200},
	}
}

// walkProvider changes nothing: the provider, if there is one, is how people log in.
func walkProvider() []step {
	refused := map[string]any{"name": "Walk", "issuer": "http://login.example.com", "client_id": "walk", "public_url": "https://console.example.com"}
	return []step{
		{method: "GET", path: "provider", want: 200},
		{method: "PUT", path: "provider", body: refused, want: 400},
		{method: "DELETE", path: "provider/{unknown}", want: 404},
		{method: "GET", path: "auth/oidc", want: 200},
		{method: "POST", path: "auth/oidc/start", body: map[string]any{"return_to": 1}, want: 400},
		{method: "GET", path: "auth/oidc/callback", want: 303, lines: true},
		{method: "POST", path: "auth/oidc/totp", body: map[string]any{"totp": ""}, want: 400},
	}
}

// result is a line of the table.
type result struct {
	step
	got  int
	took time.Duration
	note string
}

func (r result) ok() bool { return r.got == r.want && r.note == "" }

// testAPI calls every route of the running system and prints a table. It fails
// if an answer is not the expected one or a documented route was not called.
func testAPI(ctx context.Context, std daemon.Streams, p plan) error {
	env, err := readEnvironment(p.envFile())
	if err != nil {
		return err
	}
	api, err := logIn(ctx, env)
	if err != nil {
		return err
	}
	known := map[string]any{"unknown": "00000000-0000-7000-8000-000000000000"}
	results := []result{{step: step{method: "POST", path: "auth/login", want: 200}, got: 200}}
	for _, s := range walk(fmt.Sprint(time.Now().UnixNano()), env.get("ADMIN_PASSWORD")) {
		results = append(results, api.take(ctx, s, known))
	}
	missed, err := uncalled(known["document"], results)
	if err != nil {
		return err
	}
	for _, route := range missed {
		method, path, _ := strings.Cut(route, " ")
		results = append(results, result{step: step{method: method, path: path}, note: "not called by this command"})
	}
	return printResults(std, results)
}

// take calls one step and remembers what later ones need.
func (c *client) take(ctx context.Context, s step, known map[string]any) result {
	r := result{step: s}
	path := s.path
	for name, value := range known {
		if id, ok := value.(string); ok {
			path = strings.ReplaceAll(path, "{"+name+"}", id)
		}
	}
	if s.query != "" {
		path += "?" + s.query
	}
	s.body = fill(s.body, known)
	start := time.Now()
	status, answer, err := c.send(ctx, s.method, path, s.body)
	r.got, r.took = status, time.Since(start)
	if err != nil {
		r.note = err.Error()
		return r
	}
	if status != s.want {
		r.note = problem(answer)
		return r
	}
	var object map[string]any
	if status != http.StatusNoContent && !s.lines && json.Unmarshal(answer, &object) != nil {
		r.note = "the answer is not a JSON object"
		return r
	}
	switch {
	case s.path == "openapi.json":
		known["document"] = object
	case s.keep == "settings":
		known[s.keep] = object
	case s.keep != "":
		known[s.keep] = object[cmp.Or(s.field, "id")]
	}
	return r
}

// fill puts what earlier answers gave in place of {names} in a body.
func fill(body any, known map[string]any) any {
	switch body := body.(type) {
	case string:
		if name, ok := strings.CutPrefix(body, "{"); ok {
			return known[strings.TrimSuffix(name, "}")]
		}
	case map[string]any:
		filled := map[string]any{}
		for key, value := range body {
			filled[key] = fill(value, known)
		}
		return filled
	}
	return body
}

// uncalled lists the routes of the OpenAPI document that no result is of. The
// names of path parameters may differ.
func uncalled(document any, results []result) ([]string, error) {
	paths, ok := document.(map[string]any)["paths"].(map[string]any)
	if !ok {
		return nil, errors.New("the OpenAPI document lists no paths")
	}
	called := map[string]bool{}
	for _, r := range results {
		called[r.method+" "+shape(r.path)] = true
	}
	var missed []string
	for path, item := range paths {
		methods, ok := item.(map[string]any)
		if !ok {
			continue
		}
		path = strings.TrimPrefix(strings.TrimPrefix(path, "/api/v1"), "/")
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			method = strings.ToUpper(method)
			if slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) && !called[method+" "+shape(path)] {
				missed = append(missed, method+" "+path)
			}
		}
	}
	slices.Sort(missed)
	return missed, nil
}

// shape replaces the parameters of a path by one sign.
func shape(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

func printResults(std daemon.Streams, results []result) error {
	table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tMETHOD\tROUTE\tWANT\tGOT\tTIME\t")
	failed := 0
	for _, r := range results {
		mark := "ok"
		if !r.ok() {
			mark = "FAIL"
			failed++
		}
		fmt.Fprintf(table, "%s\t%s\t/api/v1/%s\t%d\t%d\t%s\t%s\n", mark, r.method, r.path, r.want, r.got, r.took.Round(100*time.Microsecond), r.note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(std.Out, "%d passed, %d failed\n", len(results)-failed, failed); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d calls failed", failed, len(results))
	}
	return nil
}
