package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/deliveries"
	"github.com/unmogrowp/unmogrowp/aggregator/pass"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

const testPassword = "correct horse battery"

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// reports is a warehouse that remembers its last statement, and knows one conversion.
type reports struct {
	mu    sync.Mutex
	last  report.Statement // the main one of the report that was asked for last
	count int              // of reports
	pass  pass.Pass        // of the last one
	costs []report.Cost    // that were stored last
}

// asked says whether the last report had these among its arguments.
func (r *reports) asked(arguments ...any) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, want := range arguments {
		if !slices.ContainsFunc(r.last.Args, func(a any) bool { return reflect.DeepEqual(a, want) }) {
			return false
		}
	}
	return true
}

func (r *reports) asks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Read answers with a row where a test looks at it, else with none.
func (r *reports) Read(ctx context.Context, parts ...report.Part) error {
	if len(parts) == 1 && (strings.HasPrefix(parts[0].SQL, "SELECT 1 FROM event_id_conflicts") || strings.Contains(parts[0].SQL, "changed_hours")) {
		return nil // queries that a report makes before its main one
	}
	r.mu.Lock()
	r.last = parts[0].Statement
	r.count++
	r.pass, _ = pass.Of(ctx)
	r.mu.Unlock()
	for _, p := range parts {
		for _, row := range rowsOf(p.Statement) {
			if err := p.Row(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func rowsOf(s report.Statement) []report.Row {
	switch {
	case strings.HasPrefix(s.SQL, "SELECT uniqExact(event_id) FROM events"):
		return []report.Row{fakeRow{uint64(3 - strings.Count(s.SQL, "country IN"))}}
	case strings.HasPrefix(s.SQL, "SELECT conversion_id, lower(hex") && s.Args[len(s.Args)-1] == report.MaxLimit+1: // pages without end
		rows := make([]report.Row, report.MaxLimit+1)
		for i := range rows {
			rows[i] = fakeRow{"=1+1", "0a", "Order Completed", int64(1), int64(-1_000_000), "EUR", "organic", "", "", "", "", uint64(0)}
		}
		return rows
	}
	return nil
}

// Attributions knows the conversion "known".
func (r *reports) Attributions(_ context.Context, app string, ids []string) ([]attribution.Row, error) {
	if !slices.Equal(ids, []string{"known"}) {
		return nil, nil
	}
	return []attribution.Row{{Conversion: attribution.Conversion{App: app, ID: "known", Name: "Order Completed"}}}, nil
}

// PutCosts stores nothing.
func (r *reports) PutCosts(_ context.Context, _ string, costs []report.Cost, _ int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.costs = costs
	return 1, nil
}

// fakeRow are the values of a row.
type fakeRow []any

func (r fakeRow) Scan(into ...any) error {
	if len(into) != len(r) {
		return fmt.Errorf("%d values for %d columns", len(r), len(into))
	}
	for i := range into {
		reflect.ValueOf(into[i]).Elem().Set(reflect.ValueOf(r[i]))
	}
	return nil
}

type studies struct{}

func (studies) Preview(_ context.Context, _ string, settings attribution.Settings, _, _ int64) (report.EffectResult, error) {
	result := report.NewEffect().Result()
	result.Conversions, result.Of = uint64(settings.Lookback), 1
	return result, nil
}

func (studies) Forget(context.Context, string, string) error { return nil }

type evidence struct{}

func (evidence) Around(context.Context, string, string) (report.Surroundings, error) {
	return report.Surroundings{}, nil
}

func (evidence) Conflicts(context.Context, string, string, int) (report.ConflictsResult, error) {
	return report.ConflictsOf(nil, 1, 1), nil
}

type enroller struct{}

func (enroller) Token(context.Context, string, string, string) (string, time.Time, error) {
	return "token", time.Now().Add(15 * time.Minute), nil
}

type cluster struct{}

func (cluster) State(context.Context) (ClusterState, error) {
	return ClusterState{Members: []Member{{ID: "node-1", State: "alive", Self: true}}}, nil
}

// system is the API on a real database, behind a real HTTP server.
type system struct {
	t        testing.TB
	accounts *accounts.Accounts
	auth     *Authenticator
	reports  *reports
	clock    *clock
	url      string
	handler  http.Handler
}

func newSystem(t testing.TB) *system {
	t.Helper()
	a, err := accounts.Open(t.Context(), accounts.Options{DSN: childtest.Postgres(t), MasterKey: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, accounts: a, reports: &reports{}, clock: &clock{}}
	if s.auth, err = NewAuthenticator(t.Context(), a, a.Logins, s.clock.now, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	s.serve(s.options())
	return s
}

// serve lets clients made from now on ask a server with other options.
func (s *system) serve(o Options) {
	s.t.Helper()
	handler, err := New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	s.t.Cleanup(server.Close)
	s.handler, s.url = handler, server.URL
}

func (s *system) options() Options {
	return Options{
		Accounts: s.accounts, Authenticator: s.auth, Reports: s.reports, Costs: s.reports, Studies: studies{}, Evidence: evidence{}, Enroller: enroller{},
		Cluster:   cluster{},
		Postbacks: deliveries.NewLedger(s.accounts.Pool), Tester: tester{}, Outgoing: guard.NewOutgoing(guard.Options{}),
		Console: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "console") }),
		Now:     s.clock.now, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), LoginsPerMinute: 1000,
	}
}

// user makes a person who can log in.
func (s *system) user(email string, roles ...access.Assignment) people.User {
	s.t.Helper()
	user, err := s.accounts.People.CreateUser(s.t.Context(), people.NewUser{Email: email, Name: email, Password: testPassword, Roles: roles})
	if err != nil {
		s.t.Fatal(err)
	}
	return user
}

func (s *system) owner() *client {
	s.t.Helper()
	s.user("owner@example.com", access.Assignment{Role: access.Owner, AllApps: true})
	return s.login("owner@example.com")
}

func (s *system) app(name string) string {
	s.t.Helper()
	app, err := s.accounts.Apps.CreateApp(s.t.Context(), apps.App{Name: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return app.ID
}

// client is a browser: it keeps cookies, and an access token.
type client struct {
	*system
	http  *http.Client
	token string
	user  person
}

func (s *system) client() *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{system: s, http: &http.Client{Jar: secureJar{jar}}}
}

// login logs in, and fails the test if that is refused.
func (s *system) login(email string) *client {
	s.t.Helper()
	c := s.client()
	got := c.post("auth/login", map[string]any{"email": email, "password": testPassword})
	got.want(200)
	var answer tokenAnswer
	got.decode(&answer)
	c.token, c.user = answer.AccessToken, answer.User
	return c
}

// answer is a response that was read.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

func (a *answer) decode(into any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
}

func (a *answer) problem() problem {
	a.t.Helper()
	var p problem
	a.decode(&p)
	if p.Status != a.status || p.RequestID == "" || p.Title == "" || p.RequestID != a.header.Get("X-Request-Id") ||
		a.header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s: not a whole problem: %s", a.what, a.body)
	}
	return p
}

func (c *client) get(path string) *answer { c.t.Helper(); return c.send("GET", path, nil, nil) }

func (c *client) post(path string, body any) *answer {
	c.t.Helper()
	return c.send("POST", path, body, nil)
}

func (c *client) send(method, path string, body any, header map[string]string) *answer {
	c.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	url := c.url + base + path
	if strings.HasPrefix(path, "/") {
		url = c.url + path
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, url, reader)
	if err != nil {
		c.t.Fatal(err)
	}
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return &answer{t: c.t, what: method + " " + path, status: response.StatusCode, header: response.Header, body: text}
}

func TestOwnerSetsUpAnApp(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	if len(c.user.Permissions) != 14 || c.user.Roles[0].Role != access.Owner {
		t.Fatalf("user = %+v", c.user)
	}
	c.get("me").want(200)
	var app apps.App
	c.post("apps", map[string]any{"name": "Shop", "currency": "USD"}).want(201).decode(&app)
	var key newKey
	c.post("apps/"+app.ID+"/keys", map[string]any{"kind": "client", "name": "web"}).want(201).decode(&key)
	if !strings.HasPrefix(key.Secret, key.Prefix) || key.Kind != protocol.KeyClient {
		t.Fatalf("key = %+v", key)
	}
	listed := c.get("apps/" + app.ID + "/keys").want(200)
	if bytes.Contains(listed.body, []byte(key.Secret)) {
		t.Error("the list of keys shows a key")
	}
	c.get("apps/" + app.ID + "/reports/overview").want(200)
	if q := s.reports.last; len(q.Args) != 3 || q.Args[0] != app.ID || q.Args[2].(int64)-q.Args[1].(int64) < (29*24*time.Hour).Milliseconds() {
		t.Errorf("asked %+v", q)
	}
	var link apps.Link
	c.post("apps/"+app.ID+"/links", map[string]any{"media_source": "mail", "fallback": "https://example.com/"}).want(201).decode(&link)
	c.send("PUT", "apps/"+app.ID+"/links/"+link.ID, map[string]any{"media_source": "post", "fallback": "https://example.com/"}, nil).want(200)
	c.get("apps/" + app.ID + "/links/" + link.ID).want(200)
	c.send("DELETE", "apps/"+app.ID+"/links/"+link.ID, nil, nil).want(204)
	c.send("DELETE", "apps/"+app.ID+"/keys/"+key.ID, nil, nil).want(204)
	c.send("PATCH", "apps/"+app.ID, map[string]any{"name": "Store"}, nil).want(200)
	c.send("DELETE", "apps/"+app.ID, nil, nil).want(204)
	c.get("apps/" + app.ID).want(404).problem()
	if got := c.get("/index.html").want(200); string(got.body) != "console" {
		t.Errorf("console answered %s", got.body)
	}
}
