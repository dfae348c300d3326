package api

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
)

// contract is the document as a client reads it.
type contract struct {
	doc    *openapi3.T
	router routers.Router
}

func loadContract(t *testing.T) contract {
	t.Helper()
	text, err := document(routes())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return contract{doc, router}
}

func TestEveryRouteIsInTheDocument(t *testing.T) {
	doc := loadContract(t).doc
	ids := map[string]bool{}
	count := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			count++
			if ids[op.OperationID] {
				t.Errorf("%s %s: operation id %s is there twice", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
	if count != len(routes()) {
		t.Errorf("%d operations for %d routes", count, len(routes()))
	}
	for _, r := range routes() {
		item := doc.Paths.Find(base + r.path)
		if item == nil || item.GetOperation(r.method) == nil {
			t.Errorf("%s %s is not in the document", r.method, r.path)
		}
	}
}

// changeSettingsWalk has incomplete or unknown settings refused, and applies settings from a past time.
func changeSettingsWalk(c *client, at string) {
	var settings map[string]any
	c.get(at + "/attribution").want(200).decode(&settings)
	c.send("PUT", at+"/attribution", map[string]any{"generation": 8, "click_window_ms": 86_400_000}, nil).want(400)
	settings["overrides"] = []map[string]any{{"link_id": "none-such", "click_window_ms": 7_200_000}}
	c.send("PUT", at+"/attribution", settings, nil).want(400)
	settings["overrides"] = []any{}
	settings["apply_from"] = "2999-01-01T00:00:00Z"
	c.send("PUT", at+"/attribution", settings, nil).want(400)
	settings["apply_from"] = "2026-01-01T00:00:00Z"
	var past struct {
		From string `json:"valid_from"`
	}
	if c.send("PUT", at+"/attribution", settings, nil).want(200).decode(&past); past.From != "2026-01-01T00:00:00Z" {
		c.t.Errorf("settings apply from %s", past.From)
	}
}

// TestAnswersAreAsDocumented walks the API and checks each answer, good or bad, with the document.
func TestAnswersAreAsDocumented(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	c.http.Transport = &checking{t: t, contract: loadContract(t)}
	var app, key, link, user struct{ ID string }
	c.get("openapi.json").want(200)
	c.get("me").want(200)
	c.get("me/sessions").want(200)
	c.send("PATCH", "me", map[string]any{"name": "Ann"}, nil).want(200)
	proof := map[string]any{"current_password": testPassword}
	c.get("me/totp").want(200)
	c.post("me/totp/confirm", map[string]any{"code": "123456"}).want(404)
	c.post("me/totp", proof).want(201)
	c.post("me/totp/confirm", map[string]any{"code": "no code"}).want(400)
	c.send("DELETE", "me/totp", proof, nil).want(204)
	c.get("me/tokens").want(200)
	c.get("auth/oidc").want(200)
	c.post("auth/oidc/start", map[string]any{"return_to": "/"}).want(404)
	c.post("auth/oidc/totp", map[string]any{"totp": "000000"}).want(403)
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.get("auth/oidc/callback?code=x&state=y").want(303)
	c.get("provider").want(200)
	c.send("PUT", "provider", map[string]any{"name": "X", "issuer": "http://example.com", "client_id": "x", "public_url": "https://x.example.com"},
		nil).want(400)
	c.send("DELETE", "provider/"+c.user.ID, nil, nil).want(404)
	c.get("me/identities").want(200)
	c.send("DELETE", "me/identities/"+c.user.ID, nil, nil).want(404)
	c.get("users/" + c.user.ID + "/identities").want(200)
	c.send("DELETE", "users/"+c.user.ID+"/identities/"+c.user.ID, nil, nil).want(404)
	c.send("DELETE", "me/tokens/"+c.apiToken("*", access.AppsRead).ID, nil, nil).want(204)
	c.post("apps", map[string]any{"name": "Shop"}).want(201).decode(&app)
	at := "apps/" + app.ID
	c.get("apps").want(200)
	c.get(at).want(200)
	c.send("PATCH", at, map[string]any{"origins": []string{"https://example.com"}}, nil).want(200)
	c.post(at+"/keys", map[string]any{"kind": "server"}).want(201).decode(&key)
	c.get(at + "/keys").want(200)
	var settings map[string]any
	c.get(at + "/attribution").want(200).decode(&settings)
	settings["conversion_events"] = []string{"Signed Up"}
	c.send("PUT", at+"/attribution", settings, nil).want(200)
	c.send("PUT", at+"/attribution", settings, nil).want(409)
	c.get(at + "/attribution/versions").want(200)
	changeSettingsWalk(c, at)
	c.post(at+"/links", map[string]any{"media_source": "mail", "fallback": "https://example.com/", "deep_links": map[string]string{"ios": "shop://x"}}).want(201).decode(&link)
	c.post(at+"/links", map[string]any{"media_source": "mail", "fallback": "javascript:alert(1)"}).want(400)
	c.get(at + "/links?limit=1").want(200)
	c.get(at + "/links/" + link.ID).want(200)
	for _, path := range []string{"overview", "timeseries?metric=revenue&interval=week&currency=EUR",
		"attribution?model=linear&group_by=media_source,campaign", "attribution?model=shapley", "sources", "paths?limit=5", "late"} {
		c.get(at + "/reports/" + path).want(200)
	}
	c.get(at + "/reports/attribution?model=guess").want(400)
	c.walkReports(at)
	openapi3filter.RegisterBodyDecoder("text/csv", openapi3filter.PlainBodyDecoder)
	for _, path := range []string{"overview", "timeseries", "attribution", "compare", "sources", "paths", "performance?models=all&compare=previous"} {
		c.get(at + "/reports/" + path + map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "format=csv").want(200)
	}
	c.get(at + "/conversions?format=csv").want(200)
	c.get(at + "/conversions?format=xml").want(400)
	c.get(at + "/conversions").want(200)
	c.get(at + "/conversions/known").want(200)
	c.get(at + "/conversions/unknown").want(404)
	c.post("users", map[string]any{"email": "v@example.com", "name": "V", "password": testPassword, "roles": []any{map[string]any{"role": access.Viewer,
		"apps": []string{app.ID}}}}).want(201).decode(&user)
	c.get("users").want(200)
	c.get("users/" + user.ID).want(200)
	var invited newUser
	c.post("users", map[string]any{"email": "i@example.com", "name": "I", "roles": []any{}}).want(201).decode(&invited)
	c.post("users/"+invited.ID+"/reset-link", nil).want(201)
	c.post("auth/accept", map[string]any{"token": invited.Invitation.Token, "password": testPassword}).want(401)
	clerk := map[string]any{"role": "clerk", "description": "Pays the bills", "permissions": []access.Permission{access.CostsWrite, access.AppsRead}}
	c.post("roles", clerk).want(201)
	c.post("roles", clerk).want(409)
	delete(clerk, "role")
	c.send("PUT", "roles/clerk", clerk, nil).want(200)
	c.send("PUT", "roles/owner", clerk, nil).want(400)
	c.get("roles").want(200)
	c.send("DELETE", "roles/clerk", nil, nil).want(204)
	c.send("DELETE", "roles/clerk", nil, nil).want(404)
	var robot, token struct{ ID string }
	c.post("users", map[string]any{"kind": "service", "name": "Export", "roles": []any{map[string]any{"role": access.Viewer,
		"apps": []string{app.ID}}}}).want(201).decode(&robot)
	c.post("users/"+robot.ID+"/tokens", map[string]any{"name": "x", "permissions": []string{"apps.read"}, "apps": []string{app.ID},
		"expires_in_days": 1}).want(201).decode(&token)
	c.get("users/" + robot.ID + "/tokens").want(200)
	c.send("DELETE", "users/"+robot.ID+"/tokens/"+token.ID, nil, nil).want(204)
	c.post("agents/enrollment-tokens", map[string]any{"name": "edge-1", "region": "eu"}).want(201)
	if err := s.accounts.Agents.CreateEnrollment(t.Context(), enrollmentFor("edge-2")); err != nil {
		t.Fatal(err)
	}
	agent, err := s.accounts.Agents.ConsumeEnrollment(t.Context(), enrollmentFor("edge-2").SecretHash)
	if err != nil {
		t.Fatal(err)
	}
	c.get("agents").want(200)
	c.get("agents/" + agent.ID).want(200)
	c.post("agents/"+agent.ID+"/revoke", nil).want(204)
	c.post("agents/"+agent.ID+"/revoke", nil).want(404)
	c.get("cluster").want(200)
	c.get("audit?limit=3").want(200)
	c.get("audit?outcome=success&action=user.&from=2026-01-01").want(200)
	c.get("audit?outcome=maybe").want(400)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	c.get("audit/export").want(200)
	c.get("audit/verify").want(200)
	if _, _, err := s.accounts.SignAuditHead(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.get("audit/verify").want(200)
	c.send("DELETE", "users/"+user.ID, nil, nil).want(204)
	c.post("auth/refresh", nil).want(200)
	c.post("auth/logout", nil).want(204)
	c.get("me").want(200) // the session is remembered for three seconds
}

// checking is a transport that checks every request and answer with the document.
type checking struct {
	t *testing.T
	contract
}

// RoundTrip sends a request.
func (c *checking) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	route, parameters, err := c.router.FindRoute(request)
	if err != nil {
		c.t.Errorf("%s %s: %v", request.Method, request.URL.Path, err)
		return response, nil
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route}
	err = openapi3filter.ValidateResponse(request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: response.StatusCode, Header: response.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: response.StatusCode < 300},
	})
	if err != nil {
		c.t.Errorf("%s %s: the answer is not as documented: %v\n%s", request.Method, request.URL.Path, firstLines(err), body)
	}
	return response, nil
}

func firstLines(err error) string {
	lines := strings.SplitN(err.Error(), "\n", 6)
	return strings.Join(lines[:min(len(lines), 5)], "\n")
}

// walkReports asks the questions of the pages of campaigns and costs, rightly and wrongly.
func (c *client) walkReports(at string) {
	c.get(at + "/reports/performance?group_by=media_source,sub1,day&models=all&compare=year&filter=media_source:a,b&filter=country:!DE&sort=-roas&metrics=roas,cost").want(200)
	for _, bad := range []string{"group_by=payload", "metrics=luck", "sort=luck", "compare=never", "filter=luck:1", "filter=media_source", "cursor=!",
		"models=one", "model=markov", "group_by=day,week,month,country,link,ad"} {
		c.get(at + "/reports/performance?" + bad).want(400)
	}
	c.post(at+"/costs", map[string]any{"currency": "EUR", "rows": []any{map[string]any{"date": "2026-11-19", "media_source": "metaads",
		"cost": "60"}}}).want(200)
	c.post(at+"/costs", map[string]any{"currency": "EUR", "rows": []any{map[string]any{"date": "19/11/2026", "media_source": "metaads",
		"cost": "60"}}}).want(400)
	c.post(at+"/costs", map[string]any{"currency": "EUR", "rows": []any{map[string]any{"date": "2026-11-19", "media_source": "metaads",
		"cost": "-60"}}}).want(400)
	c.get(at + "/reports/overview?compare=year&filter=media_source:a").want(200)
	c.get(at + "/reports/overview?compare=never").want(400)
	c.get(at + "/reports/why?filter=media_source:a&model=linear").want(200)
	c.get(at + "/reports/insights").want(200)
	c.get(at + "/reports/cohorts?metric=ltv&cohort=week&group_by=media_source,country&days=7").want(200)
	c.get(at + "/reports/cohorts?format=csv").want(200)
	c.get(at + "/reports/retention?days=3").want(200)
	c.get(at + "/reports/funnel?step=a&step=b&window=2d&group_by=media_source").want(200)
	c.get(at + "/reports/fraud?by=rule,media_source").want(200)
	for _, bad := range []string{"cohorts?days=181", "cohorts?metric=luck", "cohorts?cohort=year", "cohorts?group_by=day", "funnel?step=a",
		"funnel?step=a&step=b&window=1s", "fraud?by=luck"} {
		c.get(at + "/reports/" + bad).want(400)
	}
	c.get(at + "/events?type=click&q=x&filter=sub1:x&limit=5").want(200)
	c.get(at + "/events/unknown").want(404)
	var view struct{ ID string }
	c.post(at+"/views", map[string]any{"name": "Mine", "page": "campaigns", "query": "a=b"}).want(201).decode(&view)
	c.post(at+"/views", map[string]any{"name": "", "page": "campaigns", "query": "a=b"}).want(400)
	c.send("PUT", at+"/views/"+view.ID, map[string]any{"name": "Mine", "page": "home", "query": "", "shared": true}, nil).want(200)
	c.get(at + "/views").want(200)
	c.send("DELETE", at+"/views/"+view.ID, nil, nil).want(204)
	c.send("DELETE", at+"/views/"+view.ID, nil, nil).want(404)
	c.send("PUT", at+"/aliases", map[string]any{"aliases": map[string]string{"FB": "facebook"}}, nil).want(200)
	c.send("PUT", at+"/aliases", map[string]any{"aliases": map[string]string{"fb": ""}}, nil).want(400)
	c.get(at + "/aliases").want(200)
	c.get(at + "/costs").want(200)
	c.get(at + "/costs/coverage").want(200)
}
