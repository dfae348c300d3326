// Package api serves the console API under /api/v1 and, outside of /api/, the console itself.
//
// One table, in routes.go, says for each route who may use it; [New] refuses a table in which a
// route names nobody. A request passes these steps, and each may answer:
//
//	headers → path → origin → route → media type → token → permission → handler
//
// Decisions are made by package access from roles that are at most a few seconds old (see
// [Authenticator]). Things that a person may not see answer 404, as if they did not exist. Refusals are
// recorded in the audit log, changes are recorded by package accounts in their own transactions.
//
// The refresh token travels in a __Host- cookie, which browsers only keep on https and, for
// development, on http://localhost and http://127.0.0.1.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/deliveries"
	"github.com/unmogrowp/unmogrowp/aggregator/oidc"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// base is where the API begins.
const base = "/api/v1/"

// jwksPath is where RFC 8615 lets others look for our public keys.
const jwksPath = "/.well-known/jwks.json"

// Bounds of a request.
const (
	maxBody        = 1 << 20 // bytes
	maxFile        = 8 << 20 // bytes of a body that is a file
	requestTimeout = 30 * time.Second
)

// Enroller makes tokens with which agents join. The authority does.
type Enroller interface {
	Token(ctx context.Context, name, region, zone string) (token string, expires time.Time, err error)
}

// Member is one aggregator as the console shows it.
type Member struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Region  string `json:"region"`
	Zone    string `json:"zone"`
	State   string `json:"state"`  // "alive", "draining"
	Lag     int64  `json:"lag_ms"` // how far its work is behind
	Self    bool   `json:"self"`   // the node that answers
}

// ClusterState is the cluster as one node sees it.
type ClusterState struct {
	Members    []Member `json:"members"`
	Mismatched int64    `json:"mismatched_attributions"` // results that do not match their inputs
}

// Cluster knows the aggregators.
type Cluster interface {
	State(ctx context.Context) (ClusterState, error)
}

// Options are the parts and settings of an API. All are required except Heads, TrustedProxies and
// LoginsPerMinute.
type Options struct {
	Accounts      *accounts.Accounts
	Authenticator *Authenticator
	Reports       report.Ledger // the warehouse: what runs the statements of package report
	Costs         Costs
	Studies       Studies
	Evidence      Evidence
	Enroller      Enroller
	Cluster       Cluster
	Postbacks     *deliveries.Ledger
	Tester        Tester
	Outgoing      *guard.Outgoing // for requests to addresses that somebody gave
	Console       http.Handler    // everything outside of /api/
	Now           func() time.Time
	Registerer    prometheus.Registerer
	Logger        *slog.Logger

	// Heads reads the signed heads of the audit log that are kept outside of Postgres; nil means none are.
	Heads func(context.Context) ([]postgres.SignedHead, error)

	// TrustedProxies are those whose X-Forwarded-For is believed; none means nobody's is.
	TrustedProxies []netip.Prefix

	// LoginsPerMinute is how many failed logins a network (/24, /64) may try; 0 means 30.
	LoginsPerMinute int
}

// server is the handler that New returns.
type server struct {
	Options
	mux      *http.ServeMux
	logins   *throttle
	guesses  *throttle    // of API tokens, and of logins at the provider that nobody began
	refusals ledger       // of refused requests
	failures ledger       // of logins at the provider that came to nothing
	provider *oidc.Client // of whoever logs in elsewhere
	origin   *http.CrossOriginProtection
	metrics  metrics
	openapi  []byte
	answers  *answers
	watchers atomic.Int64 // of live views
	headers  headers
}

// New makes the handler of the API and the console. It fails if a route lacks its permission.
func New(options Options) (http.Handler, error) {
	if err := options.check(); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	if options.LoginsPerMinute == 0 {
		options.LoginsPerMinute = 30
	}
	s := &server{
		Options:  options,
		logins:   newThrottle(options.LoginsPerMinute),
		guesses:  newThrottle(guessesPerMinute),
		provider: oidc.New(options.Now),
		refusals: ledger{bucket: rate.NewLimiter(refusalsPerSecond, refusalsBurst)},
		failures: ledger{bucket: rate.NewLimiter(refusalsPerSecond, refusalsBurst)},
		origin:   http.NewCrossOriginProtection(),
		metrics:  newMetrics(options.Registerer),
		answers:  newAnswers(options.Now),
		headers:  newHeaders(),
	}
	table := routes()
	var err error
	if s.mux, err = s.register(table); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	if s.openapi, err = document(table); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	return s, nil
}

func (o *Options) check() error {
	for name, missing := range map[string]bool{
		"Accounts": o.Accounts == nil, "Authenticator": o.Authenticator == nil, "Reports": o.Reports == nil, "Costs": o.Costs == nil,
		"Studies": o.Studies == nil, "Evidence": o.Evidence == nil, "Enroller": o.Enroller == nil,
		"Cluster": o.Cluster == nil, "Postbacks": o.Postbacks == nil, "Tester": o.Tester == nil, "Outgoing": o.Outgoing == nil,
		"Console": o.Console == nil, "Now": o.Now == nil, "Registerer": o.Registerer == nil, "Logger": o.Logger == nil,
	} {
		if missing {
			return errors.New("option " + name + " is missing")
		}
	}
	return nil
}

// register puts every path of the table into a mux. Methods are told apart behind it, so that every
// answer is ours.
func (s *server) register(table []route) (*http.ServeMux, error) {
	paths := map[string]map[string]*route{}
	for i := range table {
		r := &table[i]
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("route %s %s: %w", r.method, r.path, err)
		}
		if paths[r.path] == nil {
			paths[r.path] = map[string]*route{}
		}
		if paths[r.path][r.method] != nil {
			return nil, fmt.Errorf("route %s %s is there twice", r.method, r.path)
		}
		paths[r.path][r.method] = r
	}
	mux := http.NewServeMux()
	for path, methods := range paths {
		mux.Handle(base+path, &endpoint{methods: methods})
	}
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { callOf(r).fail(errNoRoute()) })
	return mux, nil
}

// ServeHTTP answers a request of the console or of the API.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.headers.secure(w.Header())
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// net/http hides whether a Content-Length came with the chunks: what lies behind them must not
		// become a request of its own. RFC 9112, section 6.3.
		w.Header().Set("Connection", "close")
	}
	if r.URL.Path != "/api" && !strings.HasPrefix(r.URL.Path, "/api/") {
		s.outside(w, r)
		return
	}
	s.headers.forAPI(w.Header())
	if s.answerKept(w, r) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	c := newCall(ctx, s, w, r)
	c.client = r.Context()
	defer c.finish()
	switch {
	// A path that a router would clean (dots, doubled or trailing slashes) is no route.
	case path.Clean(r.URL.Path) != r.URL.Path:
		c.fail(errNoRoute())
	case s.origin.Check(r) != nil:
		c.refuse("origin", errCrossOrigin())
	default:
		s.mux.ServeHTTP(w, c.r)
	}
}

// outside answers requests outside of the API: the keys with which others can check our access tokens, at the
// place where they look for them, and the console.
func (s *server) outside(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != jwksPath || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		s.Console.ServeHTTP(w, r)
		return
	}
	s.headers.forAPI(w.Header())
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.Authenticator.jwks()}) // the only error is a client that went away
}
