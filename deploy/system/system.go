// Package system runs whole installations for tests: real aggregators and
// agents over real sockets, on a real ClickHouse and Postgres.
//
// Cluster holds them in one process, where a test can start, stop and restart
// each by itself. Stopping one is a clean stop; for kill -9 there are processes,
// see the chaos test.
package system

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	agent "github.com/unmogrowp/unmogrowp/agent/node"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	aggregator "github.com/unmogrowp/unmogrowp/aggregator/node"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Patience bounds every wait of a test for something that must come true. It is
// long because a busy machine is slow, and costs nothing where all is well.
const Patience = 3 * time.Minute

// The owner that every cluster begins with.
const (
	OwnerEmail    = "owner@example.com"
	OwnerPassword = "correct horse battery staple"
)

// Cluster is an installation in this process.
type Cluster struct {
	T             testing.TB
	ClickHouseDSN string
	PostgresDSN   string
	MasterKey     string

	Accounts    *accounts.Accounts
	App         string
	WriteKey    string
	ServerKey   string
	Aggregators []*Part
	Agents      []*Part

	// Log makes the logger of a part; without it, warnings go to the test's output.
	Log func(part string) *slog.Logger
	// Configure changes the settings of the agents that start from then on.
	Configure func(config *agent.Config)
	// Now is the clock by which certificates are issued and end, of parts that start from then on.
	Now func() time.Time
	// AgentsListen is where the next aggregator waits for agents; empty: anywhere.
	AgentsListen string

	dir string
}

// Part is one running program of a cluster.
type Part struct {
	Name    string
	URL     string // the console's or the agent's
	Admin   string // health, metrics and profiles
	Agents  string // an aggregator's QUIC address
	Gossip  string // an aggregator's gossip address
	cancel  context.CancelFunc
	stopped chan struct{}
	err     error
}

// Stop ends the part cleanly and fails the test if it does not end well.
func (p *Part) Stop(t testing.TB) {
	t.Helper()
	p.cancel()
	select {
	case <-p.stopped:
	case <-time.After(Patience):
		t.Fatalf("%s did not stop", p.Name)
	}
	if p.err != nil {
		t.Errorf("%s: %v", p.Name, p.err)
	}
}

// runner is what both programs have in common.
type runner interface {
	Run(ctx context.Context) error
}

func launch(name string, r runner) *Part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Part{Name: name, cancel: cancel, stopped: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		p.err = r.Run(ctx)
		close(p.stopped)
	})
	return p
}

// New starts a cluster on the given databases with an owner, an app and its
// two keys.
func New(t testing.TB, clickhouseDSN, postgresDSN string, aggregators, agents int) *Cluster {
	t.Helper()
	c := Bare(t, clickhouseDSN, postgresDSN)
	for range aggregators {
		c.AddAggregator()
	}
	for range agents {
		c.AddAgent()
	}
	return c
}

// people makes the owner and the app.
func (c *Cluster) people() {
	c.T.Helper()
	ctx := c.T.Context()
	if _, err := c.Accounts.People.CreateOwner(ctx, OwnerEmail, "Owner", OwnerPassword); err != nil {
		c.T.Fatal(err)
	}
	app, err := c.Accounts.Apps.CreateApp(ctx, apps.App{Name: "Shop", Currency: "EUR", Timezone: "UTC"})
	if err != nil {
		c.T.Fatal(err)
	}
	c.App = app.ID
	if _, c.WriteKey, err = c.Accounts.Apps.CreateKey(ctx, app.ID, protocol.KeyClient, "client"); err != nil {
		c.T.Fatal(err)
	}
	if _, c.ServerKey, err = c.Accounts.Apps.CreateKey(ctx, app.ID, protocol.KeyServer, "server"); err != nil {
		c.T.Fatal(err)
	}
}

// AddAggregator starts another aggregator, which joins the others.
func (c *Cluster) AddAggregator() *Part {
	c.T.Helper()
	config := aggregator.DefaultConfig()
	config.Node = fmt.Sprintf("aggregator-%d", len(c.Aggregators)+1)
	config.ClickHouseDSN, config.PostgresDSN = daemon.Secret(c.ClickHouseDSN), daemon.Secret(c.PostgresDSN)
	config.MasterKey = daemon.Secret(c.MasterKey)
	config.Listen, config.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	config.AgentsListen, config.GossipListen = "127.0.0.1:0", "127.0.0.1:0"
	config.InsertDelay, config.SweepEvery = 20*time.Millisecond, 500*time.Millisecond
	if c.AgentsListen != "" {
		config.AgentsListen = c.AgentsListen
	}
	for _, other := range c.Aggregators {
		config.GossipPeers = append(config.GossipPeers, other.Gossip)
	}
	n, err := aggregator.New(c.T.Context(), aggregator.Options{Config: config, Log: c.log(config.Node), Now: c.Now})
	if err != nil {
		c.T.Fatal(err)
	}
	p := launch(config.Node, n)
	p.URL, p.Agents, p.Gossip = "http://"+n.ConsoleAddr().String(), n.AgentsAddr().String(), n.GossipAddr()
	p.Admin = "http://" + n.AdminAddr().String()
	c.Aggregators = append(c.Aggregators, p)
	c.T.Cleanup(func() { p.Stop(c.T) })
	return p
}

// AddAgent enrols and starts another agent.
func (c *Cluster) AddAgent() *Part {
	c.T.Helper()
	name := fmt.Sprintf("agent-%d", len(c.Agents)+1)
	p := c.StartAgent(name, c.EnrollmentToken(name))
	c.Agents = append(c.Agents, p)
	c.T.Cleanup(func() { p.Stop(c.T) })
	return p
}

// StartAgent starts an agent on the directory of that name. A token is needed
// the first time only.
func (c *Cluster) StartAgent(name, token string) *Part {
	c.T.Helper()
	return c.runAgent(name, c.agentConfig(name, token), listenPacket(c.T))
}

func (c *Cluster) agentConfig(name, token string) agent.Config {
	config := agent.DefaultConfig()
	config.DataDir = filepath.Join(c.dir, name)
	config.Region = "test"
	config.EnrollToken = daemon.Secret(token)
	for _, a := range c.Aggregators {
		config.Aggregators = append(config.Aggregators, a.Agents)
	}
	if c.Configure != nil {
		c.Configure(&config)
	}
	return config
}

func (c *Cluster) runAgent(name string, config agent.Config, uplink net.PacketConn) *Part {
	c.T.Helper()
	n, err := agent.New(agent.Options{Config: config, Listener: listen(c.T), Admin: listen(c.T), Uplink: uplink, Logger: c.log(name), Now: c.Now})
	if err != nil {
		c.T.Fatal(err)
	}
	p := launch(name, n)
	p.URL, p.Admin = "http://"+n.Addr().String(), "http://"+n.AdminAddr().String()
	c.awaitKey(p)
	return p
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func listenPacket(t testing.TB) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// awaitKey waits until the agent knows the app's key.
func (c *Cluster) awaitKey(p *Part) {
	c.T.Helper()
	c.Await(p.Name+" knows the write key", func() error {
		resp, err := http.Get(p.URL + "/v1/projects/" + c.WriteKey + "/settings")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("settings answered %s", resp.Status)
		}
		return nil
	})
}

// EnrollmentToken makes a token over the console API.
func (c *Cluster) EnrollmentToken(name string) string {
	c.T.Helper()
	var answer struct {
		Token string `json:"token"`
	}
	c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword).Call("POST", "agents/enrollment-tokens", map[string]any{"name": name, "region": "test"}, &answer)
	return answer.Token
}

func (c *Cluster) log(name string) *slog.Logger {
	if c.Log != nil {
		return c.Log(name)
	}
	return slog.New(slog.NewTextHandler(testWriter{c.T}, &slog.HandlerOptions{Level: slog.LevelWarn})).With("part", name)
}

// testWriter puts log lines where the test's output is, also those that come
// from a part that stops after its test has ended.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	fmt.Fprintf(w.t.Output(), "%s", p)
	return len(p), nil
}

// Await calls probe until it returns nil.
func (c *Cluster) Await(what string, probe func() error) {
	c.T.Helper()
	Await(c.T, what, probe)
}

// Await calls probe until it returns nil, at most for Patience.
func Await(t testing.TB, what string, probe func() error) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: still %v", what, err)
		}
	}
}

// Console is a person logged in to one aggregator.
type Console struct {
	t     testing.TB
	base  string
	token string
}

// LogIn opens a session.
func (c *Cluster) LogIn(at *Part, email, password string) *Console {
	c.T.Helper()
	k := &Console{t: c.T, base: at.URL + "/api/v1/"}
	var session struct {
		AccessToken string `json:"access_token"`
	}
	k.Call("POST", "auth/login", map[string]string{"email": email, "password": password}, &session)
	k.token = session.AccessToken
	return k
}

// Call calls the API and fails the test unless it succeeds.
func (k *Console) Call(method, path string, in, out any) {
	k.t.Helper()
	if err := k.Try(method, path, in, out); err != nil {
		k.t.Fatal(err)
	}
}

// Try calls the API and decodes its answer into out, unless that is nil.
func (k *Console) Try(method, path string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, k.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if k.token != "" {
		req.Header.Set("Authorization", "Bearer "+k.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// Post sends a JSON body to an agent as SDKs do and returns the status and the
// answer.
func (c *Cluster) Post(at *Part, key, path string, body any) (int, string) {
	c.T.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		c.T.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, at.URL+path, bytes.NewReader(data))
	if err != nil {
		c.T.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.T.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}
