package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/pass"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// call is one request on its way through the steps.
type call struct {
	*server
	w         http.ResponseWriter
	r         *http.Request
	ctx       context.Context
	client    context.Context // ends when the client goes away
	id        string          // of the request, for the client, the log and the audit log
	ip        string
	began     time.Time
	route     *route
	session   people.Session // of whoever asks; empty on public routes
	principal access.Principal
	filter    access.Filter // the part of the app that exists for whoever asks
	exporting bool          // as CSV
	status    int           // answered; 0 until then
}

type callKey struct{}

func newCall(ctx context.Context, s *server, w http.ResponseWriter, r *http.Request) *call {
	ip := clientAddress(r, s.TrustedProxies)
	c := &call{server: s, w: w, id: newRequestID(), ip: ip, began: s.Now()}
	ctx = pass.With(context.WithValue(ctx, callKey{}, c), pass.Pass{}) // for no app, until somebody is known
	c.ctx = postgres.WithActor(ctx, postgres.Actor{Kind: "anonymous", IP: ip, RequestID: c.id})
	c.r = r.WithContext(c.ctx)
	w.Header().Set("X-Request-Id", c.id)
	return c
}

// newRequestID names a request, for the client, the log and the audit log.
func newRequestID() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails; see crypto/rand
	return hex.EncodeToString(id[:])
}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

// endpoint is a path of the table with its methods.
type endpoint struct {
	methods map[string]*route
}

// ServeHTTP takes a request from its route to its answer.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := callOf(r)
	c.w, c.r = w, r
	if c.route = e.methods[r.Method]; c.route == nil {
		allowed := make([]string, 0, len(e.methods))
		for method := range e.methods {
			allowed = append(allowed, method)
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		c.fail(refusal(http.StatusMethodNotAllowed, "method", "This path answers "+strings.Join(allowed, ", ")+"."))
		return
	}
	if err := c.mediaType(); err != nil {
		c.fail(err)
		return
	}
	if err := c.authorize(); err != nil {
		return // answered
	}
	answer, err := c.run()
	if err != nil {
		c.fail(err)
		return
	}
	c.answer(answer)
}

// mediaType refuses bodies that a form of another site could send.
func (c *call) mediaType() error {
	kind := c.r.Header.Get("Content-Type")
	if kind == "" && c.r.ContentLength == 0 {
		return nil
	}
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return nil
	}
	media, _, err := mime.ParseMediaType(kind)
	if err == nil && (media == "application/json" || media == "text/csv" && c.route.text) {
		return nil
	}
	return errMediaType()
}

// authorize finds out who asks and whether they may. If they may not, it has answered.
func (c *call) authorize() error {
	if c.route.rule.public {
		return nil
	}
	session, err := c.authenticate()
	if err != nil {
		var bad *tokenError
		if errors.As(err, &bad) {
			c.refuse("token", errNoToken())
		} else {
			c.fail(err)
		}
		return err
	}
	c.session, c.principal = session, session.User.Principal()
	actor := postgres.Actor{Kind: "user", ID: session.User.ID, IP: c.ip, RequestID: c.id, Limit: session.Limit()}
	if session.Token != nil {
		actor.Kind = "token:" + session.Token.Prefix
	}
	c.ctx = postgres.WithActor(c.ctx, actor)
	if err = c.route.rule.decide(&session, c.r.PathValue("app")); err != nil {
		c.refuse("permission", err)
		return err
	}
	if c.filter, err = c.route.rule.narrowing(c.principal, c.r.PathValue("app")); err != nil {
		c.refuse("permission", err)
		return err
	}
	actor.Sources = c.filter.MediaSources
	actor.Apps = reach(c.principal, c.r.PathValue("app"))
	c.ctx = postgres.WithActor(pass.With(c.ctx, pass.Pass{All: actor.Apps.All, Apps: actor.Apps.IDs}), actor)
	return nil
}

// authenticate finds the session of the request. What looks like an API token costs a look into the
// database, so a network may show only so many that are none.
func (c *call) authenticate() (people.Session, error) {
	authorization := c.r.Header.Get("Authorization")
	if session, ok := c.Authenticator.remembered(authorization); ok {
		return session, nil
	}
	if !strings.HasPrefix(authorization, bearer+people.TokenPrefix) {
		return c.Authenticator.session(c.ctx, authorization)
	}
	if wait := c.guesses.visit(c.ip, c.Now()); wait > 0 {
		return people.Session{}, throttled(wait)
	}
	session, err := c.Authenticator.session(c.ctx, authorization)
	var bad *tokenError
	if !errors.As(err, &bad) {
		c.guesses.forgive(c.ip, c.Now())
	}
	return session, err
}

// reach is which apps exist in the databases for a request that was allowed: the one that it is about, or
// else those that whoever asks holds anything for.
func reach(p access.Principal, app string) access.AppList {
	if app != "" {
		return access.AppList{IDs: []string{app}}
	}
	var list access.AppList
	for _, a := range p.Assignments {
		list.All = list.All || a.AllApps
		list.IDs = append(list.IDs, a.Apps...)
	}
	return list
}

// param is a part of the path.
func (c *call) param(name string) string { return c.r.PathValue(name) }

// body reads the JSON body. Fields that the route does not know are refused, so that nobody thinks
// they have set one.
func (c *call) body(into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("there is something after the JSON value")
	}
	var large *http.MaxBytesError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &large):
		return errTooLarge()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax):
		return badRequest("The body is not JSON, or is cut short.")
	case errors.As(err, &kind):
		return badRequest("Field " + kind.Field + " cannot be a " + kind.Value + ".")
	}
	return badRequest("The body cannot be used: " + strings.TrimPrefix(err.Error(), "json: ") + ".")
}

// answer sends a success; nil has no body.
func (c *call) answer(value any) {
	if value == nil {
		c.status = http.StatusNoContent
		c.w.WriteHeader(c.status)
		return
	}
	if raw, ok := value.(rawAnswer); ok {
		c.status = raw.send(c.w, c.r)
		return
	}
	if stream, ok := value.(streamAnswer); ok {
		c.stream(stream)
		return
	}
	if live, ok := value.(liveAnswer); ok {
		c.follow(live)
		return
	}
	if location, ok := value.(redirectAnswer); ok {
		c.status = http.StatusSeeOther
		c.w.Header().Set("Location", string(location))
		c.w.WriteHeader(c.status)
		return
	}
	body, err := json.Marshal(value)
	if err != nil {
		c.fail(err)
		return
	}
	body = append(body, '\n')
	if c.route.success() == http.StatusOK && !c.route.rule.public && !c.route.rule.own { // what holds secrets is never compressed
		raw := newRawAnswer("application/json", body)
		raw.tagged = c.route.tagged && c.r.URL.Query().Get("fields") == "short" // whole answers are kept nowhere
		c.status = raw.send(c.w, c.r)
		return
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.status = c.route.success()
	c.w.WriteHeader(c.status)
	_, _ = c.w.Write(body) // the only error is a client that went away
}

// redirectAnswer sends a browser to a path of the console.
type redirectAnswer string

// rawAnswer is an answer that is bytes already.
type rawAnswer struct {
	body         []byte
	kind, length []string // values of its headers Content-Type and Content-Length
	packed       *packed  // nil of an answer that is never compressed
	tagged       bool     // it has an entity tag
}

func newRawAnswer(contentType string, body []byte) rawAnswer {
	return rawAnswer{body: body, kind: []string{contentType}, length: []string{strconv.Itoa(len(body))}, packed: new(packed)}
}

// rawOf is an answer as bytes, with which it can be kept.
func rawOf(value any) (rawAnswer, error) {
	if raw, ok := value.(rawAnswer); ok {
		return raw, nil
	}
	if _, ok := value.(streamAnswer); ok {
		return rawAnswer{}, errors.New("an answer that is a stream cannot be kept")
	}
	body, err := json.Marshal(value)
	return newRawAnswer("application/json", append(body, '\n')), err
}

// write sends the answer and returns its status.
func (a rawAnswer) write(w http.ResponseWriter) int {
	header := w.Header()
	header["Content-Type"], header["Content-Length"] = a.kind, a.length
	_, _ = w.Write(a.body) // the only error is a client that went away
	return http.StatusOK
}

// streamAnswer is an answer that is too long to be held in memory.
type streamAnswer struct {
	contentType string
	name        string // of the file that a browser stores it in
	write       func(io.Writer) error
}

// stream sends an answer as it is made. What fails on the way cuts the connection, so that nobody takes
// a part for the whole.
func (c *call) stream(s streamAnswer) {
	c.w.Header().Set("Content-Type", s.contentType)
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+s.name+`"`)
	c.status = http.StatusOK
	if err := s.write(c.w); err != nil {
		c.Logger.Error("answer cut short", "request_id", c.id, "route", c.name(), "error", err)
		panic(http.ErrAbortHandler)
	}
}

// fail answers with the problem that the error is.
func (c *call) fail(err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		c.Logger.Error("request failed", "request_id", c.id, "route", c.name(), "status", p.Status, "error", err)
	}
	if errors.Is(err, people.ErrNotHeld) {
		c.recordRefusal("permission")
	}
	c.status = p.Status
	p.write(c.w, c.id)
}

// refuse answers like fail and records it in the audit log. The log takes only so many refusals a
// second: whoever needs no account to cause them must not fill it. The next entry tells how many are
// missing before it.
func (c *call) refuse(reason string, err error) {
	c.recordRefusal(reason)
	c.fail(err)
}

func (c *call) recordRefusal(reason string) {
	if reason == "token" && c.r.Header.Get("Authorization") == "" {
		return // not logged in is no attack
	}
	detail := map[string]any{"reason": reason, "method": c.r.Method, "path": clipPath(withoutSecrets(c.r.URL.Path))}
	audited := c.recordBounded(&c.refusals, "access.denied", postgres.Denied, c.name(), detail)
	c.metrics.refused.WithLabelValues(reason, audited).Inc()
}

// ledger bounds the entries that anybody can cause in the audit log, and counts those it kept out.
type ledger struct {
	bucket *rate.Limiter
	folded atomic.Int64 // since the last entry
}

// recordBounded records what anybody can cause, within the bound, and says whether the audit log has it.
func (c *call) recordBounded(l *ledger, action, outcome, target string, detail map[string]any) (audited string) {
	if take(l.bucket, c.began) != 0 {
		l.folded.Add(1)
		return "no"
	}
	folded := l.folded.Swap(0)
	if folded > 0 {
		detail["not_recorded_before"] = folded
	}
	if err := c.Accounts.Record(c.ctx, action, outcome, target, c.r.PathValue("app"), detail); err != nil {
		l.folded.Add(folded + 1)
		c.Logger.Error("refusal not recorded in the audit log", "request_id", c.id, "error", err)
		return "failed"
	}
	return "yes"
}

// longestID is longer than any id of ours.
const longestID = 40

// withoutSecrets shortens the parts of a path that could be a secret which somebody put there.
func withoutSecrets(path string) string {
	parts := strings.Split(path[:min(len(path), 4096)], "/")
	for i, part := range parts {
		if len(part) > longestID || strings.HasPrefix(part, people.TokenPrefix) || strings.HasPrefix(part, "wk_") || strings.HasPrefix(part, "sk_") {
			parts[i] = part[:min(len(part), len(people.TokenPrefix)+4)] + "…"
		}
	}
	return strings.Join(parts, "/")
}

func clipPath(path string) string { return path[:min(len(path), 200)] }

// name is the route as metrics and the audit log know it.
func (c *call) name() string { return c.route.name() }

// finish is deferred by ServeHTTP: it counts the answer, and turns a panic into one.
func (c *call) finish() {
	crash := recover()
	if crash == http.ErrAbortHandler {
		defer panic(crash)
	} else if crash != nil {
		c.Logger.Error("request crashed", "request_id", c.id, "route", c.name(), "panic", crash, "stack", string(debug.Stack()))
		if c.status == 0 {
			c.fail(errors.New("crash"))
		}
	}
	took := c.Now().Sub(c.began)
	c.metrics.answered(c.name(), c.status, took)
	c.log(c.id, c.route, c.status, took, c.session.User.ID)
}

// log writes the status of an answer at the debug level.
func (s *server) log(id string, r *route, status int, took time.Duration, user string) {
	if s.Logger.Enabled(context.Background(), slog.LevelDebug) {
		s.Logger.Debug("request", "request_id", id, "route", r.name(), "status", status, "duration", took, "user", user)
	}
}
