package attack

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

// The environment that chooses what runs.
const (
	fullEnv   = "UNMOGROWP_ATTACK"
	reportEnv = "UNMOGROWP_ATTACK_REPORT"
)

const (
	password = "a password of the suite's people"
	maxGrown = 64 << 20 // bytes that may stay behind

	// knownLinks is the memory of stored identity links that each of the two aggregators has from its first
	// insert on, in bytes. Its size does not depend on anything that is sent.
	knownLinks = 2 * 12 << 20
)

// attack is one group.
type attack struct {
	id   int
	run  func(*suite)
	full bool // takes more than a second or so
	note string
	// denied is the action of the entry that the audit log must have for the group's refusals.
	denied string
}

// world is the system under attack with the suite's knowledge of it.
type world struct {
	*system.Cluster
	log     *logbook
	sent    atomic.Int64
	refused atomic.Int64 // requests that the API refused, as the suite counted them
	from    sync.Map     // local address to *http.Client
	owner   string       // access token

	beside  sync.WaitGroup
	closers []io.Closer // closed before beside is waited for

	mu      sync.Mutex
	secrets []string // planted: none may be seen in an answer
	hidden  []string // likewise, but in logs and databases only
	people  map[string]string
}

// suite is the world during one group.
type suite struct {
	*testing.T
	*world
}

// logbook keeps the log lines of every part, in a file: the memory of the process
// is watched.
type logbook struct {
	mu   sync.Mutex
	file *os.File
}

func newLogbook(t *testing.T) *logbook {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() }) // whoever writes later gets an error, and nobody reads on
	return &logbook{file: file}
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := os.ReadFile(l.file.Name())
	if err != nil {
		return err.Error() // no group finds its words in it
	}
	return string(text)
}

func newWorld(t *testing.T) *world {
	w := &world{log: newLogbook(t), people: map[string]string{}}
	w.Cluster = system.Bare(t, childtest.ClickHouse(t), childtest.Postgres(t))
	w.Cluster.Log = func(part string) *slog.Logger {
		return slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("part", part)
	}
	for range 2 {
		w.AddAggregator()
	}
	for range 2 {
		w.AddAgent()
	}
	w.plant(w.MasterKey, system.OwnerPassword, password)
	s := &suite{T: t, world: w}
	w.owner = s.login(system.OwnerEmail, system.OwnerPassword)
	return w
}

// plant remembers secrets that no answer, log or database may hold.
func (w *world) plant(secrets ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets = append(w.secrets, secrets...)
}

// conceal remembers secrets that answers may hold more than once, but no log and
// no database.
func (w *world) conceal(secrets ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hidden = append(w.hidden, secrets...)
}

func (w *world) planted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.secrets...)
}

// TestAttacks runs every group against one system, in order.
func TestAttacks(t *testing.T) {
	attacks := map[int]attack{}
	for _, part := range [][]attack{tokenAttacks(), loginAttacks(), roleAttacks(), browserAttacks(), ingestAttacks(), linkAttacks(), restAttacks(), exportAttacks(), quotaAttacks(), ackAttacks(), floodAttacks(), insideAttacks(), scriptAttacks()} {
		for _, a := range part {
			attacks[a.id] = a
		}
	}
	w := newWorld(t)
	w.run(t, attack{run: func(s *suite) { s.alive() }}, "warm up")
	before := resident(t)
	var results []Result
	for id, name := range Names() {
		a, there := attacks[id]
		switch {
		case id == 0:
		case !there:
			t.Errorf("group %d has no attack", id)
		case a.full && os.Getenv(fullEnv) != "full":
			results = append(results, Result{ID: id, Name: name, Outcome: NotRun})
		default:
			results = append(results, w.run(t, a, name))
		}
	}
	if ran(results) {
		if grown := resident(t) - before; grown > maxGrown+knownLinks {
			t.Errorf("the process grew by %d MiB", grown>>20)
		}
		w.everyRefusalIsAudited(t)
	}
	tell(t, results)
}

// run runs one group and judges the system after it.
func (w *world) run(t *testing.T, a attack, name string) Result {
	r := Result{ID: a.id, Name: name, Outcome: Failed, Note: a.note}
	w.sent.Store(0)
	ran := false
	passed := t.Run(fmt.Sprintf("%02d %s", a.id, name), func(t *testing.T) {
		s := &suite{T: t, world: w}
		ran = true
		since := s.newest()
		a.run(s)
		r.Requests = w.sent.Load()
		if a.denied != "" {
			s.deniedSince(a.denied, since)
		}
		s.finish()
		s.alive()
	})
	switch {
	case !ran: // left out by -run
		r.Outcome = NotRun
	case passed:
		r.Outcome = Passed
	}
	return r
}

// tell prints a line for each group, a summary, and the report if asked for.
func tell(t *testing.T, results []Result) {
	counts, requests := map[string]int{}, int64(0)
	for _, r := range results {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s", line)
		counts[r.Outcome]++
		requests += r.Requests
	}
	t.Logf("%d groups passed, %d failed, %d not run; %d requests", counts[Passed], counts[Failed], counts[NotRun], requests)
	path := os.Getenv(reportEnv)
	if path == "" {
		return
	}
	var b bytes.Buffer
	if err := Report(&b, results); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// alive sends what honest people send: it must be served at once.
func (s *suite) alive() {
	s.Helper()
	for _, a := range s.Aggregators {
		s.quiet().call(a.URL, "GET", "me", s.owner, nil).want(http.StatusOK)
	}
	for _, a := range s.Agents {
		s.quiet().event(a, s.WriteKey, "/v1/track", `{"event":"Honest","userId":"u"}`).want(http.StatusOK)
	}
}

// request is a request before it is sent.
type request struct {
	*suite
	from   string // local address, empty for any
	header map[string]string
	quiet  bool // not an attack: not counted
}

func (s *suite) quiet() *request                { return &request{suite: s, quiet: true} }
func (s *suite) as(from string) *request        { return &request{suite: s, from: from} }
func (s *suite) with(header ...string) *request { return s.as("").with(header...) }

func (r *request) with(header ...string) *request {
	next := *r
	next.header = map[string]string{}
	for name, value := range r.header {
		next.header[name] = value
	}
	for i := 0; i < len(header); i += 2 {
		next.header[header[i]] = header[i+1]
	}
	return &next
}

// answer is a response that was read.
type answer struct {
	*suite
	what   string
	status int
	header http.Header
	body   []byte
	took   time.Duration
	quiet  bool
}

// console calls a route of the API at the first aggregator.
func (s *suite) console(method, path, token string, body any) *answer {
	s.Helper()
	return s.as("").call(s.Aggregators[0].URL, method, path, token, body)
}

// call calls a route of the API, or with a leading slash any path. A body that
// is text is sent as it is, any other as JSON.
func (r *request) call(base, method, path, token string, body any) *answer {
	r.Helper()
	url := base + "/api/v1/" + path
	if strings.HasPrefix(path, "/") {
		url = base + path
	}
	header := map[string]string{}
	if body != nil {
		header["Content-Type"] = "application/json"
	}
	if token != "" {
		header["Authorization"] = "Bearer " + token
	}
	return r.send(method, url, header, encoded(r.T, body))
}

func encoded(t *testing.T, body any) []byte {
	switch body := body.(type) {
	case nil:
		return nil
	case string:
		return []byte(body)
	case []byte:
		return body
	default:
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}

// event posts a body to an agent under a key.
func (r *request) event(at *system.Part, key, path string, body any) *answer {
	r.Helper()
	header := map[string]string{}
	if key != "" {
		header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))
	}
	return r.send(http.MethodPost, at.URL+path, header, encoded(r.T, body))
}

// send sends one request and judges its answer by the rule that holds for all.
func (r *request) send(method, url string, header map[string]string, body []byte) *answer {
	r.Helper()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(r.Context(), method, url, reader)
	if err != nil {
		r.Fatal(err)
	}
	for _, h := range []map[string]string{header, r.header} {
		for name, value := range h {
			req.Header.Set(name, value)
			if value == "" {
				req.Header.Del(name)
			}
			if name == "Host" {
				req.Host = value
			}
			if name == "Connection" {
				req.Close = value == "close"
			}
		}
	}
	began := time.Now()
	resp, err := r.client(r.from).Do(req)
	if err != nil {
		r.Fatalf("%s %.80s: %v", method, url, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		r.Fatalf("%s %.80s: %v", method, url, err)
	}
	a := &answer{suite: r.suite, what: fmt.Sprintf("%s %.120s", method, url), status: resp.StatusCode, header: resp.Header, body: text, took: time.Since(began), quiet: r.quiet}
	a.judgeSecrets()
	if resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized && req.Header.Get("Authorization") != "" && strings.HasPrefix(req.URL.Path, "/api/v1/") && !strings.HasPrefix(req.URL.Path, "/api/v1/auth/") {
		r.refused.Add(1)
	}
	if !r.quiet {
		r.count(1)
		a.judge()
	}
	return a
}

// finish ends everything that the group has running.
func (s *suite) finish() {
	for _, c := range s.closers {
		_ = c.Close()
	}
	s.closers = nil
	s.beside.Wait()
}

// background runs something beside the test, which has to wait for it itself.
func (s *suite) background(do func()) { s.beside.Go(do) }

func (w *world) count(n int) { w.sent.Add(int64(n)) }

// client sends from one local address. It follows no redirects and keeps no cookies.
func (w *world) client(from string) *http.Client {
	if c, ok := w.from.Load(from); ok {
		return c.(*http.Client)
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c := &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableCompression: true, MaxIdleConnsPerHost: 32, IdleConnTimeout: 5 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	kept, _ := w.from.LoadOrStore(from, c)
	return kept.(*http.Client)
}

// judge holds an answer against the rule.
func (a *answer) judge() {
	a.Helper()
	// As RFC 9112 wants it of codings and versions that nobody knows.
	asked := strings.HasPrefix(a.what, "raw") && (a.status == http.StatusNotImplemented || a.status == http.StatusHTTPVersionNotSupported)
	if a.status >= 500 && a.status != http.StatusServiceUnavailable && !asked {
		a.Errorf("%s: status %d: %.300s", a.what, a.status, a.body)
	}
	if a.status >= 400 {
		for _, word := range innerWords() {
			if bytes.Contains(a.body, []byte(word)) {
				a.Errorf("%s: the answer says %q: %.300s", a.what, word, a.body)
			}
		}
	}
}

// judgeSecrets looks for the secrets that were planted before the answer came.
func (a *answer) judgeSecrets() {
	a.Helper()
	for _, secret := range a.planted() {
		if bytes.Contains(a.body, []byte(secret)) {
			a.Errorf("%s: the answer holds a secret", a.what)
		}
	}
}

// innerWords are what only a stack, a database or a file system says.
func innerWords() []string {
	return []string{"goroutine ", ".go:", "runtime error", "SQLSTATE", "DB::Exception", "SELECT ", "INSERT INTO", "pgx", "clickhouse", "/tmp/", "/home/", "go1."}
}

// want checks the status: it must be one of those given.
func (a *answer) want(statuses ...int) *answer {
	a.Helper()
	for _, status := range statuses {
		if a.status == status {
			return a
		}
	}
	tell := a.Errorf
	if a.quiet { // a request that is no attack has to work
		tell = a.Fatalf
	}
	tell("%s: status %d, want %d: %.300s", a.what, a.status, statuses, a.body)
	return a
}

func (a *answer) decode(into any) *answer {
	a.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		a.Fatalf("%s: %v in %.300s", a.what, err, a.body)
	}
	return a
}

// problem is what refusals say.
type problem struct {
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func (a *answer) problem() (p problem) {
	a.Helper()
	a.decode(&p)
	return p
}

// login logs in and returns the access token.
func (s *suite) login(email, password string) string {
	s.Helper()
	token, _ := s.session(email, password)
	return token
}

// session logs in and returns the access token and the refresh cookie.
func (s *suite) session(email, password string) (token, cookie string) {
	s.Helper()
	a := s.quiet().call(s.Aggregators[0].URL, "POST", "auth/login", "", map[string]string{"email": email, "password": password}).want(http.StatusOK)
	var said struct {
		AccessToken string `json:"access_token"`
	}
	a.decode(&said)
	cookie = refreshOf(a)
	s.plant(cookie)
	s.conceal(said.AccessToken) // which is in every answer to a refresh of the same second
	return said.AccessToken, cookie
}

const refreshCookie = "__Host-unmogrowp_refresh"

func refreshOf(a *answer) string {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == refreshCookie {
			return c.Value
		}
	}
	return ""
}

// person makes somebody who can log in, once, and returns their id.
func (s *suite) person(email string, roles ...access.Assignment) string {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.people[email]; id != "" {
		return id
	}
	user, err := s.Accounts.People.CreateUser(s.Context(), people.NewUser{Email: email, Name: email, Password: password, Roles: roles})
	if err != nil {
		s.Fatal(err)
	}
	s.people[email] = user.ID
	return user.ID
}

func everywhere(role access.Role) access.Assignment {
	return access.Assignment{Role: role, AllApps: true}
}

// app makes an app with a client and a server key.
func (s *suite) app(name string) (id, client, server string) {
	s.Helper()
	app, err := s.Accounts.Apps.CreateApp(s.Context(), apps.App{Name: name})
	if err != nil {
		s.Fatal(err)
	}
	_, client, err = s.Accounts.Apps.CreateKey(s.Context(), app.ID, "client", "client")
	if err != nil {
		s.Fatal(err)
	}
	_, server, err = s.Accounts.Apps.CreateKey(s.Context(), app.ID, "server", "server")
	if err != nil {
		s.Fatal(err)
	}
	s.plant(client, server)
	for _, agent := range s.Agents {
		s.Await("the agents know the keys of "+name, func() error {
			if a := s.quiet().event(agent, server, "/v1/batch", `{"batch":[]}`); a.status != http.StatusOK {
				return fmt.Errorf("status %d: %s", a.status, a.body)
			}
			return nil
		})
	}
	return app.ID, client, server
}

// events is how many distinct messages an app has stored.
func (s *suite) events(app string) int {
	s.Helper()
	var o struct {
		Events int `json:"events"`
	}
	s.quiet().call(s.Aggregators[0].URL, "GET", "apps/"+app+"/reports/overview?from="+time.Now().AddDate(-4, 0, 0).Format(time.DateOnly), s.owner, nil).want(http.StatusOK).decode(&o)
	return o.Events
}

// stored waits until an app has so many distinct messages.
func (s *suite) stored(app string, want int) {
	s.Helper()
	s.Await(fmt.Sprintf("%d messages of %s", want, app), func() error {
		if got := s.events(app); got != want {
			return fmt.Errorf("%d are stored", got)
		}
		return nil
	})
}

// audited waits until the audit log has a refusal for what send does. The log
// takes so many refusals a second only, so the attack is tried again.
func (s *suite) audited(action string, send func() *answer) {
	s.Helper()
	s.Await("audit entry "+action, func() error {
		id := send().header.Get("X-Request-Id")
		return s.entry(action, func(e entry) bool { return e.RequestID == id })
	})
}

type entry struct {
	Action, Outcome, Target, Actor string
	RequestID                      string `json:"request_id"`
}

// entry looks for an entry among the newest of the audit log.
func (s *suite) entry(action string, fits func(entry) bool) error {
	s.Helper()
	var page struct{ Data []entry }
	s.quiet().call(s.Aggregators[0].URL, "GET", "audit?limit=200&action="+action, s.owner, nil).want(http.StatusOK).decode(&page)
	for _, e := range page.Data {
		if fits(e) {
			return nil
		}
	}
	return fmt.Errorf("not among the last %d entries", len(page.Data))
}

// signingKey is the key of so many periods after the present one, and its name.
func (s *suite) signingKey(ahead int64) (kid string, key ed25519.PrivateKey) {
	s.Helper()
	period := time.Now().Unix()/int64((30*24*time.Hour).Seconds()) + ahead
	seed, err := s.Accounts.Secret(s.Context(), fmt.Sprintf("access-token-%d", period), func() ([]byte, error) {
		_, key, err := ed25519.GenerateKey(nil)
		return key.Seed(), err
	})
	if err != nil {
		s.Fatal(err)
	}
	key = ed25519.NewKeyFromSeed(seed)
	return keyName(key), key
}
