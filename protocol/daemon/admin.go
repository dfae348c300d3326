package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	checkTimeout   = 2 * time.Second // bounds all readiness checks of one request
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
//
// Metrics, if not nil, serves /healthz, /readyz, /metrics and /version a second time and nothing
// else, so that a scraper or a prober need not reach the profiles. Set it before Start or Run.
type Admin struct {
	Metrics net.Listener

	listener net.Listener
	registry *prometheus.Registry
	mux      *http.ServeMux
	public   *http.ServeMux // what Metrics serves
	systemd  supervisor

	begin sync.Once
	stop  context.CancelFunc
	ended chan struct{} // closed when nothing serves any more; err is set before
	err   error

	mu     sync.Mutex
	state  adminState
	checks []namedCheck
}

type namedCheck struct {
	name     string
	check    Check
	purposes []string
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
	a := &Admin{listener: l, registry: registry, mux: http.NewServeMux(), public: http.NewServeMux(),
		systemd: supervisor{socket: notifySocket}, state: starting, ended: make(chan struct{})}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second, Registry: registry})
	for _, mux := range []*http.ServeMux{a.mux, a.public} {
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
		})
		mux.HandleFunc("GET /readyz", a.serveReady)
		mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, BuildInfo())
		})
		mux.Handle("GET /metrics", metrics)
	}
	a.mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	a.mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	a.mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	a.mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	a.mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return a
}

// Check adds a readiness check. All checks must pass for /readyz to answer 200. The purposes name
// the work for which the process is unfit while the check fails, as "intake" or "console":
// /readyz?for=intake asks only the checks with that purpose and those without any.
func (a *Admin) Check(name string, check Check, purposes ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks, namedCheck{name: name, check: check, purposes: purposes})
}

// Handle adds a page of the node's own, as "GET /buffer". It must be called before Start and Run.
func (a *Admin) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// Addr is where the admin server listens.
func (a *Admin) Addr() net.Addr { return a.listener.Addr() }

// Start serves from now on, before the group runs: a process that waits for its databases is
// alive, answers 503 with the reason and goes on telling systemd that it is starting. It must be
// followed by Run or Close.
func (a *Admin) Start(ctx context.Context) {
	a.begin.Do(func() {
		ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(a.ended)
			a.err = a.serve(ctx)
		}()
	})
}

// Run serves until ctx ends. Under systemd it reports READY once all checks have passed, asks for
// more time until then, and keeps the watchdog quiet while it can answer a request itself.
func (a *Admin) Run(ctx context.Context) error {
	a.Start(ctx)
	select {
	case <-ctx.Done():
	case <-a.ended:
	}
	return a.Close()
}

// Close ends what Start began and closes the listeners.
func (a *Admin) Close() error {
	started := true
	a.begin.Do(func() { started = false })
	if !started {
		err := a.listener.Close()
		if a.Metrics != nil {
			err = errors.Join(err, a.Metrics.Close())
		}
		return err
	}
	if a.stop == nil { // closed already, without a start
		return nil
	}
	a.stop()
	<-a.ended
	return a.err
}

// serve serves both listeners and talks to systemd until ctx ends.
func (a *Admin) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { a.systemd.run(ctx, a) })
	var metrics error
	if a.Metrics != nil {
		wg.Go(func() {
			metrics = Serve(ctx, a.server(a.Metrics, a.public), a.Metrics, adminGrace)
			cancel()
		})
	}
	err := Serve(ctx, a.server(a.listener, a.mux), a.listener, adminGrace)
	cancel()
	wg.Wait()
	return errors.Join(err, metrics)
}

func (a *Admin) server(l net.Listener, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           localOnly(l, h),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      profileTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

func (a *Admin) started() { a.enter(serving) }

func (a *Admin) drain() {
	a.enter(draining)
	a.systemd.stopping()
}

func (a *Admin) enter(s adminState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = s
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Status string            `json:"status"` // ready, unready, starting or draining
	Checks map[string]string `json:"checks"` // by name: "ok" or the fault
}

// Ready runs all checks at once, or those that matter for one purpose, and says whether the
// process is fit for traffic.
func (a *Admin) Ready(ctx context.Context, purpose string) (Readiness, bool) {
	a.mu.Lock()
	state, all := a.state, a.checks
	a.mu.Unlock()
	checks := make([]namedCheck, 0, len(all))
	for _, c := range all {
		if purpose == "" || len(c.purposes) == 0 || slices.Contains(c.purposes, purpose) {
			checks = append(checks, c)
		}
	}

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

// purposes are those that any check names.
func (a *Admin) purposes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var known []string
	for _, c := range a.checks {
		known = append(known, c.purposes...)
	}
	slices.Sort(known)
	return slices.Compact(known)
}

func (a *Admin) serveReady(w http.ResponseWriter, r *http.Request) {
	purpose := r.URL.Query().Get("for")
	if known := a.purposes(); purpose != "" && len(known) > 0 && !slices.Contains(known, purpose) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("for=%.40s is no purpose; ask for one of %s, or leave it out", purpose, strings.Join(known, ", "))})
		return
	}
	readiness, ok := a.Ready(r.Context(), purpose)
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
// and one called buildInfo that tells the version.
func NewRegistry(buildInfo string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := BuildInfo()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        buildInfo,
			Help:        "What the binary was made of; the value is always 1.",
			ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "go_version": build.Go},
		}, func() float64 { return 1 }),
	)
	return registry
}
