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
	return NewAdmin(l, NewRegistry("agent"), notifySocket)
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
	if r, ok := a.Ready(t.Context()); ok || r.Status != "starting" {
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
	stop := runAdmin(t, &Group{}, newAdmin(t, socket))
	if got := heard(); got != "READY=1" {
		t.Errorf("heard %q", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := heard(); got != "STOPPING=1" {
		t.Errorf("heard %q", got)
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
