package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	checkTimeout   = 2 * time.Second        // bounds all readiness checks of one request
	readyPoll      = 200 * time.Millisecond // how often readiness is asked until systemd is told
	adminGrace     = time.Second
	profileTimeout = 2 * time.Minute // the longest profile that can be taken
)

// Check says nil if the thing it watches is fit for traffic, else why not. It must return when
// its context ends.
type Check func(ctx context.Context) error

// Admin is the operator's door to one process: /healthz, /readyz, /metrics, /version and
// /debug/pprof. It belongs on loopback or behind mutual TLS, never on a public address.
//
//	starting ──(group started)──► serving ──(group stops)──► draining
//	/readyz 503                   200 or 503 with reasons    503
type Admin struct {
	listener     net.Listener
	registry     *prometheus.Registry
	mux          *http.ServeMux
	notifySocket string

	mu     sync.Mutex
	state  adminState
	checks []namedCheck
}

type namedCheck struct {
	name  string
	check Check
}

type adminState string

const (
	starting adminState = "starting"
	serving  adminState = "serving"
	draining adminState = "draining"
)

// NewAdmin makes the admin server for l, which it will close. notifySocket is systemd's
// NOTIFY_SOCKET; empty if nobody is to be told.
func NewAdmin(l net.Listener, registry *prometheus.Registry, notifySocket string) *Admin {
	a := &Admin{listener: l, registry: registry, mux: http.NewServeMux(), notifySocket: notifySocket, state: starting}
	a.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	a.mux.HandleFunc("GET /readyz", a.serveReady)
	a.mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, BuildInfo())
	})
	a.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: 10 * time.Second, Registry: registry,
	}))
	a.mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	a.mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	a.mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	a.mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	a.mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return a
}

// Check adds a readiness check. All checks must pass for /readyz to answer 200.
func (a *Admin) Check(name string, check Check) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks, namedCheck{name: name, check: check})
}

// Handle adds a page of the node's own, as "GET /buffer". It must be called before Run.
func (a *Admin) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// Addr is where the admin server listens.
func (a *Admin) Addr() net.Addr { return a.listener.Addr() }

// Run serves until ctx ends and, under systemd, reports READY once all checks have passed.
func (a *Admin) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	if a.notifySocket != "" {
		wg.Go(func() { a.notifyWhenReady(ctx) })
	}
	defer wg.Wait()
	defer cancel()
	return Serve(ctx, &http.Server{
		Handler:           localOnly(a.listener, a.mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      profileTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}, a.listener, adminGrace)
}

func (a *Admin) started() { a.enter(serving) }

func (a *Admin) drain() {
	a.enter(draining)
	notifySystemd(a.notifySocket, "STOPPING=1")
}

func (a *Admin) enter(s adminState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = s
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Status string            `json:"status"` // ready, unready, starting or draining
	Checks map[string]string `json:"checks"` // by name: "ok" or what is wrong
}

// Ready runs all checks at once and says whether the process is fit for traffic.
func (a *Admin) Ready(ctx context.Context) (Readiness, bool) {
	a.mu.Lock()
	state, checks := a.state, a.checks
	a.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { results[i] = c.check(ctx) })
	}
	wg.Wait()

	r := Readiness{Status: "ready", Checks: make(map[string]string, len(checks))}
	for i, c := range checks {
		r.Checks[c.name] = "ok"
		if results[i] != nil {
			r.Status, r.Checks[c.name] = "unready", results[i].Error()
		}
	}
	if state != serving {
		r.Status = string(state)
	}
	return r, r.Status == "ready"
}

func (a *Admin) serveReady(w http.ResponseWriter, r *http.Request) {
	readiness, ok := a.Ready(r.Context())
	status := http.StatusOK
	if !ok {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, readiness)
}

// localOnly refuses, on a loopback listener, requests that name another host: a web page must
// not reach the profiles of a developer's machine by rebinding its own name to 127.0.0.1.
func localOnly(l net.Listener, next http.Handler) http.Handler {
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this listener answers only to localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s\n", body)
}

// NewRegistry makes a registry of the node's own with the Go runtime's and the process's metrics
// and <namespace>_build_info.
func NewRegistry(namespace string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := BuildInfo()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "build_info",
			Help: "What the binary was made of; the value is always 1.",
			ConstLabels: prometheus.Labels{
				"version": build.Version, "revision": build.Revision, "go_version": build.Go,
			},
		}, func() float64 { return 1 }),
	)
	return registry
}
