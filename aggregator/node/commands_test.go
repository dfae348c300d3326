package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/node"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// commandLine runs the program as a shell would.
type commandLine struct {
	t   *testing.T
	env map[string]string
}

func newCommandLine(t *testing.T) *commandLine {
	t.Helper()
	return &commandLine{t, map[string]string{"UNMOGROWP_CLICKHOUSE_DSN": childtest.ClickHouse(t), "UNMOGROWP_POSTGRES_DSN": childtest.Postgres(t),
		"UNMOGROWP_MASTER_KEY": strings.Repeat("ab", 32), "UNMOGROWP_ADMIN_LISTEN": "127.0.0.1:1"}}
}

func (l *commandLine) run(args ...string) (string, int) {
	l.t.Helper()
	var out bytes.Buffer
	code := daemon.ExecuteArgs(l.t.Context(), "aggregator", node.Commands, daemon.Streams{In: strings.NewReader("a long first password\n"), Out: &out, Err: &out,
		Getenv: func(name string) (string, bool) { v, ok := l.env[name]; return v, ok }}, args)
	return out.String(), code
}

// must runs a command that has to succeed, and returns its output.
func (l *commandLine) must(args ...string) string {
	l.t.Helper()
	out, code := l.run(args...)
	if code != 0 {
		l.t.Fatalf("aggregator %s: exit %d: %s", strings.Join(args, " "), code, out)
	}
	return strings.TrimSpace(out)
}

// fails runs a command that has to end with this code and say so.
func (l *commandLine) fails(code int, says string, args ...string) {
	l.t.Helper()
	if out, got := l.run(args...); got != code || !strings.Contains(out, says) {
		l.t.Errorf("aggregator %s: exit %d, want %d with %q:\n%s", strings.Join(args, " "), got, code, says, out)
	}
}

// serve runs a node and returns its console's and its admin address.
func (l *commandLine) serve() (console, admin string) {
	l.t.Helper()
	config := node.DefaultConfig()
	config.Node, config.Listen, config.AdminListen, config.AgentsListen, config.GossipListen = "one", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	config.ClickHouseDSN, config.PostgresDSN = daemon.Secret(l.env["UNMOGROWP_CLICKHOUSE_DSN"]), daemon.Secret(l.env["UNMOGROWP_POSTGRES_DSN"])
	config.MasterKey = daemon.Secret(l.env["UNMOGROWP_MASTER_KEY"])
	n, err := node.New(l.t.Context(), node.Options{Config: config, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(l.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	return "http://" + n.ConsoleAddr().String(), n.AdminAddr().String()
}

// TestCommandsOfTheContract walks from an empty installation to a running one on the command line.
func TestCommandsOfTheContract(t *testing.T) {
	l := newCommandLine(t)
	l.fails(1, "run aggregator migrate", "doctor")
	l.must("migrate")
	if link := l.must("user", "invite", "--email", "ann@example.com", "--name", "Ann"); !strings.Contains(link, "/accept#ul_") {
		t.Errorf("the first owner's link: %s", link)
	}
	l.must("user", "create", "--email", "o@example.com", "--name", "O")
	if token := l.must("agent", "token", "--name", "edge-1"); len(token) < 40 {
		t.Errorf("enrolment token: %s", token)
	}
	token := l.must("token", "create", "--service", "reports", "--name", "nightly", "--days", "7")
	l.fails(2, "--service", "token", "create")
	l.fails(1, "permission", "token", "create", "--service", "reports", "--permission", "everything")
	l.fails(1, "hold", "token", "create", "--service", "reports", "--permission", "users.manage")
	l.fails(1, "is it running", "cluster", "status")

	console, admin := l.serve()
	ask := func(path string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, console+"/api/v1/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return statusOf(resp)
	}
	if got := []int{ask("apps"), ask("users")}; got[0] != 200 || got[1] != 403 {
		t.Errorf("the token's answers: %v", got)
	}
	l.env["UNMOGROWP_ADMIN_LISTEN"] = admin
	if out := l.must("cluster", "status"); !strings.Contains(out, "one-") || !strings.Contains(out, "alive") {
		t.Errorf("cluster status: %s", out)
	}
	if out := l.must("doctor"); !strings.Contains(out, "sees 1 aggregators") || !strings.Contains(out, "reader of their own") || strings.Contains(out, "FAIL") {
		t.Errorf("doctor: %s", out)
	}
	var listed []struct {
		Service string
		Tokens  []struct{ ID, Name string }
	}
	if err := json.Unmarshal([]byte(l.must("token", "list", "--json")), &listed); err != nil || len(listed) != 1 || len(listed[0].Tokens) != 1 || listed[0].Tokens[0].Name != "nightly" {
		t.Fatalf("tokens %+v, %v", listed, err)
	}
	l.fails(1, "no service account", "token", "revoke", "--service", "none", "--id", "x")
	l.must("token", "revoke", "--service", "reports", "--id", listed[0].Tokens[0].ID)
	l.fails(1, "not found", "token", "revoke", "--service", "reports", "--id", listed[0].Tokens[0].ID)
	l.must("audit", "verify")
}

func statusOf(resp *http.Response) int {
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestTheMasterKeyIsChangedOnTheCommandLine follows the steps that the command's help tells, with a node
// that runs all the time.
func TestTheMasterKeyIsChangedOnTheCommandLine(t *testing.T) {
	l := newCommandLine(t)
	before, after := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	l.must("migrate")
	l.must("agent", "token", "--name", "edge-1") // makes the authority
	l.env["UNMOGROWP_MASTER_KEY"] = before + " " + after
	_, admin := l.serve()
	l.env["UNMOGROWP_MASTER_KEY"] = after
	l.fails(1, "master key in force is", "rotate-master-key")
	l.env["UNMOGROWP_MASTER_KEY"] = after + "\n" + before + "\n"
	out := l.must("rotate-master-key")
	if !strings.Contains(out, "in place of") || strings.Contains(out, before) || strings.Contains(out, after) {
		t.Errorf("rotate: %s", out)
	}
	if out := l.must("rotate-master-key"); !strings.Contains(out, " 0 secrets were sealed anew") {
		t.Errorf("again: %s", out)
	}
	l.env["UNMOGROWP_ADMIN_LISTEN"] = admin
	l.must("cluster", "status") // the node goes on
	l.env["UNMOGROWP_MASTER_KEY"] = after
	l.must("agent", "token", "--name", "edge-2")
	l.must("doctor")
	l.env["UNMOGROWP_MASTER_KEY"] = before
	l.fails(1, "another master key", "agent", "token", "--name", "edge-3")
	l.fails(1, "the master key was changed", "doctor")
	for name, content := range map[string]string{"one short": before[:62], "two, one bad": after + " zz", "none": " "} {
		l.env["UNMOGROWP_MASTER_KEY"] = content
		if out, code := l.run("doctor"); code != 78 || strings.Contains(out, before[:10]) {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
	}
}

// TestOpenapiPrintsTheDocument: the console's types are made from it, without a server.
func TestOpenapiPrintsTheDocument(t *testing.T) {
	var out bytes.Buffer
	code := daemon.ExecuteArgs(t.Context(), "aggregator", node.Commands, daemon.Streams{In: strings.NewReader(""), Out: &out, Err: &out,
		Getenv: func(string) (string, bool) { return "", false }}, []string{"openapi"})
	var document struct {
		OpenAPI string         `json:"openapi"`
		Paths   map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(out.Bytes(), &document); err != nil || code != 0 {
		t.Fatalf("exit %d: %v: %.200s", code, err, out.String())
	}
	if document.OpenAPI != "3.1.0" || document.Paths["/api/v1/apps/{app}/reports/overview"] == nil {
		t.Errorf("the document is %s with %d paths", document.OpenAPI, len(document.Paths))
	}
}
