package ops

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	agent "github.com/unmogrowp/unmogrowp/agent/node"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

// TestProxiesPassEventsRefusalsAndSignIns runs nginx with the example before an agent and a
// console: an event is stored, a 429 comes with its Retry-After, a person signs in and asks.
func TestProxiesPassEventsRefusalsAndSignIns(t *testing.T) {
	full(t)
	nginx := Tool(t, "nginx")
	c := system.New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 0)
	c.Configure = func(config *agent.Config) {
		config.AddressRate, config.TrustedProxies = 5, []string{"127.0.0.1"}
	}
	edge := c.AddAgent()
	for name, command := range map[string]func(dir, file string) []string{
		"nginx.conf": func(dir, file string) []string {
			return []string{nginx, "-p", dir, "-c", file, "-g", "daemon off; pid nginx.pid; error_log stderr;"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			front, dir := freeAddress(t), t.TempDir()
			_, port, _ := strings.Cut(front, ":")
			text, err := os.ReadFile(filepath.Join(Root, "deploy/proxy", name))
			if err != nil {
				t.Fatal(err)
			}
			adapted := strings.NewReplacer("127.0.0.1:8000", front, "127.0.0.1:8080", strings.TrimPrefix(edge.URL, "http://"),
				"127.0.0.1:3001", strings.TrimPrefix(c.Aggregators[0].URL, "http://"), "console.example.com", "localhost",
				"events.example.com", "127.0.0.1", "option httpchk GET /readyz?for=intake", "").Replace(string(text))
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(adapted), 0o600); err != nil {
				t.Fatal(err)
			}
			proxy := start(t, nil, command(dir, file)...)
			proxy.await("the proxy passes an event", func() error {
				if status, _ := event(t, c, front); status != http.StatusOK {
					return fmt.Errorf("answered %d", status)
				}
				return nil
			})
			refused := ""
			for range 100 {
				if status, wait := event(t, c, front); status == http.StatusTooManyRequests {
					refused = wait
					break
				}
			}
			if refused == "" {
				t.Error("no 429 with a Retry-After came through")
			}
			var me map[string]any
			c.LogIn(&system.Part{Name: name, URL: "http://localhost:" + port}, system.OwnerEmail, system.OwnerPassword).Call("GET", "me", nil, &me)
			if len(me) == 0 {
				t.Error("signed in as nobody")
			}
		})
	}
}

// event sends one event through a proxy and returns the status and Retry-After.
func event(t *testing.T, c *system.Cluster, front string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+front+"/v1/track", strings.NewReader(`{"userId":"ada","event":"Order Completed"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(c.ServerKey, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After")
}
