package system

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// Processes is an installation of real programs, which can be killed: two
// aggregators, two agents and a ClickHouse of its own, on a given Postgres.
type Processes struct {
	*Cluster
	ClickHouse  *children.ClickHouse
	Programs    []*children.Program // aggregators first, then agents
	aggregators int
}

// StartProcesses builds the programs and starts them.
func StartProcesses(t testing.TB, postgresDSN string, aggregators, agents int) *Processes {
	t.Helper()
	return startProcesses(t, postgresDSN, aggregators, agents, func(*Cluster) {})
}

// startProcesses is StartProcesses with something to be done before the first
// aggregator starts.
func startProcesses(t testing.TB, postgresDSN string, aggregators, agents int, before func(*Cluster)) *Processes {
	t.Helper()
	software, err := children.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, name := range []string{"agent", "aggregator"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, name), "github.com/unmogrowp/unmogrowp/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v: %s", name, err, out)
		}
	}
	p := &Processes{aggregators: aggregators}
	p.ClickHouse = &children.ClickHouse{Software: software, Dir: filepath.Join(t.TempDir(), "clickhouse")}
	if err := p.ClickHouse.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("clickhouse: %v", p.ClickHouse.Process().Err())
		}
		_ = p.ClickHouse.Kill()
	})
	if err := p.ClickHouse.Exec(t.Context(), "CREATE DATABASE unmogrowp ENGINE = Atomic"); err != nil {
		t.Fatal(err)
	}
	p.Cluster = Bare(t, p.ClickHouse.DSN("unmogrowp"), postgresDSN)
	before(p.Cluster)
	for i := range aggregators {
		p.startAggregator(bin, i)
	}
	for i := range agents {
		p.startAgent(bin, i)
	}
	return p
}

// Bare is a cluster without any part: databases and people.
func Bare(t testing.TB, clickhouseDSN, postgresDSN string) *Cluster {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{T: t, ClickHouseDSN: clickhouseDSN, PostgresDSN: postgresDSN, MasterKey: hex.EncodeToString(key), dir: t.TempDir()}
	var err error
	if c.Accounts, err = accounts.Open(t.Context(), accounts.Options{DSN: postgresDSN, MasterKey: key}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Accounts.Close)
	if err := c.Accounts.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.people()
	return c
}

func freePort(t testing.TB) string {
	t.Helper()
	port, err := children.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func (p *Processes) startAggregator(bin string, i int) {
	p.T.Helper()
	part := &Part{Name: fmt.Sprintf("aggregator-%d", i+1), Agents: freePort(p.T), Gossip: freePort(p.T)}
	listen, admin := freePort(p.T), freePort(p.T)
	part.URL = "http://" + listen
	env := []string{
		"UNMOGROWP_NODE=" + part.Name, "UNMOGROWP_CLICKHOUSE_DSN=" + p.ClickHouseDSN, "UNMOGROWP_POSTGRES_DSN=" + p.PostgresDSN,
		"UNMOGROWP_MASTER_KEY=" + p.MasterKey, "UNMOGROWP_LISTEN=" + listen, "UNMOGROWP_ADMIN_LISTEN=" + admin,
		"UNMOGROWP_AGENTS_LISTEN=" + part.Agents, "UNMOGROWP_GOSSIP_LISTEN=" + part.Gossip, "UNMOGROWP_SWEEP_EVERY=1s",
	}
	if len(p.Aggregators) > 0 {
		env = append(env, "UNMOGROWP_GOSSIP_PEERS="+p.Aggregators[0].Gossip)
	}
	p.Aggregators = append(p.Aggregators, part)
	p.start(part, filepath.Join(bin, "aggregator"), admin, env)
}

func (p *Processes) startAgent(bin string, i int) {
	p.T.Helper()
	part := &Part{Name: fmt.Sprintf("agent-%d", i+1)}
	listen, admin := freePort(p.T), freePort(p.T)
	part.URL = "http://" + listen
	env := []string{
		"UNMOGROWP_DATA_DIR=" + filepath.Join(p.dir, part.Name), "UNMOGROWP_LISTEN=" + listen, "UNMOGROWP_ADMIN_LISTEN=" + admin,
		"UNMOGROWP_REGION=test", "UNMOGROWP_ENROLL_TOKEN=" + p.EnrollmentToken(part.Name),
		"UNMOGROWP_AGGREGATORS=" + p.Aggregators[i%len(p.Aggregators)].Agents,
	}
	p.Agents = append(p.Agents, part)
	p.start(part, filepath.Join(bin, "agent"), admin, env)
	p.awaitKey(part)
}

func (p *Processes) start(part *Part, path, admin string, env []string) {
	p.T.Helper()
	logFile := filepath.Join(p.dir, part.Name+".log")
	program := &children.Program{
		Command: children.Command{Name: part.Name, Path: path, Args: []string{"run"}, Env: env, Log: logFile},
		Ready: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/healthz", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		},
		StartTimeout: Patience,
	}
	if err := program.Start(p.T.Context()); err != nil {
		p.T.Fatal(err)
	}
	p.Programs = append(p.Programs, program)
	p.T.Cleanup(func() {
		_ = program.Kill()
		if p.T.Failed() {
			if data, err := os.ReadFile(logFile); err == nil {
				p.T.Logf("end of %s:\n%s", logFile, data[max(0, len(data)-4<<10):])
			}
		}
	})
}

// KillAndRestart kills one program as kill -9 does and starts it again. The
// ClickHouse may have to be up for an aggregator to come back, so starting is
// tried until it works.
func (p *Processes) KillAndRestart(child interface {
	Kill() error
	Start(ctx context.Context) error
}) error {
	if err := child.Kill(); err != nil {
		return err
	}
	var err error
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		if err = child.Start(p.T.Context()); err == nil {
			return nil
		}
	}
	return err
}
