package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// runAdmin runs the group of an admin server until the returned stop, which answers Run's error.
func runAdmin(t *testing.T, g *Group, admin *Admin) (stop func() error) {
	t.Helper()
	g.Admin = admin
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = g.Run(ctx) })
	stop = sync.OnceValue(func() error { cancel(); wg.Wait(); return err })
	t.Cleanup(func() { _ = stop() })
	return stop
}

func newAdmin(t *testing.T, notifySocket string) *Admin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return NewAdmin(l, NewRegistry("agent_build_info"), notifySocket)
}

func get(t *testing.T, a *Admin, path string) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + a.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestReadinessFollowsTheGroupAndTheChecks(t *testing.T) {
	a := newAdmin(t, "")
	var broken atomic.Bool
	broken.Store(true)
	a.Check("clickhouse", func(context.Context) error {
		if broken.Load() {
			return errors.New("connection refused")
		}
		return nil
	})
	a.Check("postgres", func(context.Context) error { return nil })
	if r, ok := a.Ready(t.Context(), ""); ok || r.Status != "starting" {
		t.Errorf("before the start: %+v", r)
	}

	release := make(chan struct{})
	var g Group
	g.Add("slow to stop", PartFunc(func(ctx context.Context) error {
		<-ctx.Done()
		<-release
		return nil
	}))
	stop := runAdmin(t, &g, a)

	status, body := get(t, a, "/readyz")
	if status != 503 || !strings.Contains(body, `"clickhouse":"connection refused"`) || !strings.Contains(body, `"postgres":"ok"`) {
		t.Errorf("with a broken part: %d %s", status, body)
	}
	broken.Store(false)
	if status, body = get(t, a, "/readyz"); status != 200 {
		t.Errorf("when all is well: %d %s", status, body)
	}
	if status, _ = get(t, a, "/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}

	var stopped sync.WaitGroup
	stopped.Go(func() { _ = stop() })
	for deadline := time.Now().Add(5 * time.Second); ; {
		if status, body = get(t, a, "/readyz"); status == 503 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("still ready while draining")
		}
	}
	if !strings.Contains(body, `"status":"draining"`) {
		t.Errorf("while draining: %s", body)
	}
	if status, _ = get(t, a, "/healthz"); status != 200 {
		t.Errorf("healthz while draining: %d", status)
	}
	close(release)
	stopped.Wait()
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestAdminPages(t *testing.T) {
	a := newAdmin(t, "")
	a.registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "agent_events_total", Help: "x"}))
	a.Handle("GET /buffer", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "empty") }))
	runAdmin(t, &Group{}, a)
	for path, want := range map[string]string{
		"/metrics":                       "agent_events_total 0",
		"/metrics?":                      "agent_build_info{",
		"/metrics?x":                     "go_goroutines ",
		"/metrics?y":                     "process_resident_memory_bytes ",
		"/debug/pprof/goroutine?debug=1": "goroutine profile:",
		"/buffer":                        "empty",
	} {
		if status, body := get(t, a, path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", path, status, want)
		}
	}
	_, body := get(t, a, "/version")
	var b Build
	if err := json.Unmarshal([]byte(body), &b); err != nil || b.Version == "" || b.Go == "" {
		t.Errorf("version: %s %v", body, err)
	}
	if status, _ := get(t, a, "/"); status != 404 {
		t.Errorf("an unknown page: %d", status)
	}
}

func TestAdminOnLoopbackRefusesOtherHostNames(t *testing.T) {
	a := newAdmin(t, "")
	runAdmin(t, &Group{}, a)
	for host, want := range map[string]int{"evil.example:8081": 421, "localhost:8081": 200, "127.0.0.1": 200, "[::1]:8081": 200, "[::1]": 200, "10.1.2.3": 421} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+a.Addr().String()+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("host %q: %d, want %d", host, res.StatusCode, want)
		}
	}
}

func TestSystemdHearsReadyAndStopping(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	heard := func() string {
		buf := make([]byte, 100)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	t.Setenv("WATCHDOG_USEC", "100000")
	a := newAdmin(t, socket)
	var broken atomic.Bool
	broken.Store(true)
	a.Check("postgres", func(context.Context) error {
		if broken.Load() {
			return errors.New("connection refused")
		}
		return nil
	})
	// await skips what else is told meanwhile: the watchdog hears at its own pace.
	await := func(want string) {
		t.Helper()
		for got := heard(); got != want; got = heard() {
			if got != "WATCHDOG=1" {
				t.Fatalf("heard %q, want %q", got, want)
			}
		}
	}
	stop := runAdmin(t, &Group{}, a)
	await("EXTEND_TIMEOUT_USEC=30000000")
	await("WATCHDOG=1") // a start that waits for a database is alive
	broken.Store(false)
	await("READY=1\nSTATUS=ready")
	if err := stop(); err != nil {
		t.Error(err)
	}
	await("STOPPING=1")
	await("EXTEND_TIMEOUT_USEC=30000000")
}

func TestWatchdogOfAnotherProcessIsNotOurs(t *testing.T) {
	for _, test := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0}, {"30000000", "", 15 * time.Second}, {"30000000", "7", 15 * time.Second}, {"30000000", "8", 0},
		{"0", "7", 0}, {"-5", "7", 0}, {"soon", "7", 0}, {"9000000000000000000", "7", 0},
	} {
		if got := watchdogPeriod(test.usec, test.pid, 7); got != test.want {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %s, want %s", test.usec, test.pid, got, test.want)
		}
	}
}

func TestReadinessByPurpose(t *testing.T) {
	a := newAdmin(t, "")
	a.Check("postgres", func(context.Context) error { return errors.New("connection refused") }, "console")
	a.Check("clickhouse", func(context.Context) error { return nil }, "console", "intake")
	a.Check("disk", func(context.Context) error { return nil })
	runAdmin(t, &Group{}, a)
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/readyz":             {503, `{"status":"unready","checks":{"clickhouse":"ok","disk":"ok","postgres":"connection refused"}}`},
		"/readyz?for=intake":  {200, `{"status":"ready","checks":{"clickhouse":"ok","disk":"ok"}}`},
		"/readyz?for=console": {503, `"postgres":"connection refused"`},
		"/readyz?for=lunch":   {400, "ask for one of console, intake"},
	} {
		if status, body := get(t, a, path); status != want.status || !strings.Contains(body, want.body) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestTheMetricsListenerHasNoProfiles(t *testing.T) {
	a := newAdmin(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.Metrics = l
	a.Handle("GET /status", http.NotFoundHandler())
	stop := runAdmin(t, &Group{}, a)
	for path, want := range map[string]int{"/metrics": 200, "/readyz": 200, "/healthz": 200, "/version": 200, "/debug/pprof/": 404, "/debug/pprof/heap": 404, "/status": 404} {
		res, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the metrics listener is still open after the stop")
	}
}

func TestAdminAnswersBeforeTheGroupRuns(t *testing.T) {
	a := newAdmin(t, "")
	a.Check("postgres", func(context.Context) error { return errors.New("connection refused") })
	a.Start(t.Context())
	if status, body := get(t, a, "/readyz"); status != 503 || !strings.Contains(body, `"status":"starting"`) || !strings.Contains(body, "connection refused") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := get(t, a, "/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := newAdmin(t, "").Close(); err != nil { // never started
		t.Error(err)
	}
}

func TestAnOccupiedAdminPortIsNamed(t *testing.T) {
	a := newAdmin(t, "")
	_ = a.listener.Close()
	err := (&Group{Admin: a}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "part admin: serve http on 127.0.0.1:") {
		t.Errorf("error %v", err)
	}
}

func TestReadyCommandAsksTheRunningProcess(t *testing.T) {
	a := newAdmin(t, "")
	var broken atomic.Bool
	a.Check("postgres", func(context.Context) error {
		if broken.Load() {
			return errors.New("connection refused")
		}
		return nil
	}, "console")
	stop := runAdmin(t, &Group{}, a)
	ask := func(args ...string) (int, string) {
		var out strings.Builder
		std := Streams{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) (string, bool) { return "", false }}
		code := ExecuteArgs(t.Context(), "agent", func(root *cobra.Command) { root.AddCommand(ReadyCommand("127.0.0.1:1")) }, std, append([]string{"ready"}, args...))
		return code, out.String()
	}
	admin := "--admin-listen=" + a.Addr().String()
	if code, out := ask(admin); code != 0 || !strings.Contains(out, `"postgres":"ok"`) {
		t.Errorf("exit %d: %s", code, out)
	}
	broken.Store(true)
	if code, out := ask(admin); code != 1 || !strings.Contains(out, "connection refused") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := ask(admin, "--for", "nothing"); code != 1 || !strings.Contains(out, "400") {
		t.Errorf("exit %d: %s", code, out)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if code, out := ask(admin); code != 1 || !strings.Contains(out, "is it running?") {
		t.Errorf("exit %d: %s", code, out)
	}
}
