package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// previousVersion is the commit that this version is upgraded from.
const previousVersion = "a4629cd"

// TestChaosRollingUpgrade begins with an installation of the previous version, built from its commit:
// three agents, two aggregators, 2,000 events a second. Program by program it is upgraded, both versions
// side by side, and taken back again. Every acknowledged event must be stored once, and less than one
// request in a hundred be answered with an error of ours.
//
// UNMOGROWP_UPGRADE_EVENTS is how many events there are; without it the test is left out, as it builds
// two versions of two programs.
func TestChaosRollingUpgrade(t *testing.T) {
	text := os.Getenv("UNMOGROWP_UPGRADE_EVENTS")
	if text == "" {
		t.Skip("make chaos runs this")
	}
	total := 0
	if _, err := fmt.Sscan(text, &total); err != nil {
		t.Fatal(err)
	}
	u := &upgrade{old: buildVersion(t, previousVersion), new: buildVersion(t, "")}
	u.install(t)
	flow := &flow{u: u, total: total, limit: rate.NewLimiter(2000, 200), acked: map[string]bool{}}
	began := time.Now()
	flow.run(t, u.steps())
	took := time.Since(began)
	u.Await("every acknowledged event stored once", func() error { return flow.stored(u) })
	requests, failed := flow.requests.Load(), flow.failed.Load()
	t.Logf("%d events in %s (%.0f a second), %d requests, %d answered 5xx (%.2f %%), %d times no answer while a program was exchanged",
		len(flow.acked), took.Round(time.Second), float64(len(flow.acked))/took.Seconds(), requests, failed, 100*float64(failed)/float64(requests), flow.refused.Load())
	if failed*100 >= requests {
		t.Errorf("%d of %d requests were answered 5xx", failed, requests)
	}
}

// buildVersion builds both programs as they are at a commit, or as they are here for "".
func buildVersion(t *testing.T, commit string) (bin string) {
	t.Helper()
	bin = t.TempDir()
	run := func(dir, name string, args ...string) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, out)
		}
	}
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if commit != "" {
		archive := filepath.Join(t.TempDir(), "source.tar")
		run(source, "git", "archive", "-o", archive, commit) // a clone without its history cannot
		source = t.TempDir()
		run(source, "tar", "-xf", archive)
	}
	for _, name := range []string{"agent", "aggregator"} {
		run(source, "go", "build", "-o", filepath.Join(bin, name), "./"+name)
	}
	return bin
}

// upgrade is an installation of two versions.
type upgrade struct {
	*Processes
	old, new string // directories of the programs
}

// install starts an installation of the old version, which knows nothing of the new one's schemas.
func (u *upgrade) install(t *testing.T) {
	t.Helper()
	software, err := children.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clickhouse := &children.ClickHouse{Software: software, Dir: filepath.Join(t.TempDir(), "clickhouse")}
	if err := clickhouse.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clickhouse.Kill() })
	if err := clickhouse.Exec(t.Context(), "CREATE DATABASE unmogrowp ENGINE = Atomic"); err != nil {
		t.Fatal(err)
	}
	u.Processes = &Processes{aggregators: 2, ClickHouse: clickhouse, Cluster: &Cluster{T: t, ClickHouseDSN: clickhouse.DSN("unmogrowp"),
		PostgresDSN: childtest.Postgres(t), MasterKey: strings.Repeat("5a", 32), dir: t.TempDir()}}
	u.command(t, "migrate")
	u.command(t, "user", "create", "--email", OwnerEmail, "--name", "Owner")
	u.startAggregator(u.old, 0)
	u.startAggregator(u.old, 1)
	owner := u.LogIn(u.Aggregators[0], OwnerEmail, OwnerPassword)
	var app struct {
		ID string `json:"id"`
	}
	owner.Call("POST", "apps", map[string]any{"name": "Shop", "currency": "EUR", "timezone": "UTC"}, &app)
	u.App = app.ID
	for kind, key := range map[string]*string{"client": &u.WriteKey, "server": &u.ServerKey} {
		var made struct {
			Key string `json:"key"`
		}
		owner.Call("POST", "apps/"+app.ID+"/keys", map[string]any{"kind": kind, "name": kind}, &made)
		*key = made.Key
	}
	for i := range 3 {
		u.startAgent(u.old, i)
	}
}

// command runs a command of the old aggregator.
func (u *upgrade) command(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(u.old, "aggregator"), args...)
	cmd.Env = append(os.Environ(), "UNMOGROWP_CLICKHOUSE_DSN="+u.ClickHouseDSN, "UNMOGROWP_POSTGRES_DSN="+u.PostgresDSN, "UNMOGROWP_MASTER_KEY="+u.MasterKey)
	cmd.Stdin = strings.NewReader(OwnerPassword + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("aggregator %v: %v: %s", args, err, out)
	}
}

// step exchanges one program.
type step struct {
	program int
	bin     string
}

// steps is the order that the documentation gives: aggregators, then agents; and back the other way.
func (u *upgrade) steps() (list []step) {
	for i := range 5 {
		list = append(list, step{i, u.new})
	}
	for i := range 5 {
		list = append(list, step{4 - i, u.old})
	}
	return list
}

// exchange stops a program cleanly and starts the other version in its place.
func (u *upgrade) exchange(s step) error {
	p := u.Programs[s.program]
	if err := p.Stop(); err != nil {
		return fmt.Errorf("stop %s: %w", p.Command.Name, err)
	}
	p.Command.Path = filepath.Join(s.bin, filepath.Base(p.Command.Path))
	if err := p.Start(u.T.Context()); err != nil {
		return fmt.Errorf("start %s of %s: %w", p.Command.Name, s.bin, err)
	}
	return nil
}

// flow is the load: clients behind a balancer that goes to the next agent when one does not answer.
type flow struct {
	u     *upgrade
	total int
	limit *rate.Limiter

	requests, failed, refused atomic.Int64
	upgraded                  atomic.Bool // every step was taken

	mu    sync.Mutex
	made  int
	acked map[string]bool
}

const perUpgradeRequest = 50

// run sends until all steps are taken, at least so many events, the same number between two steps.
func (f *flow) run(t *testing.T, steps []step) {
	t.Helper()
	var senders, upgrader sync.WaitGroup
	upgrader.Go(func() {
		defer f.upgraded.Store(true)
		for _, s := range steps {
			from := f.count()
			Await(t, "events between two steps", func() error {
				if n := f.count() - from; n < f.total/(len(steps)+1) {
					return fmt.Errorf("%d events", n)
				}
				return nil
			})
			if err := f.u.exchange(s); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 4 {
		senders.Go(func() {
			for agent := i; ; agent++ {
				n := f.next()
				if n < 0 {
					return
				}
				f.deliver(t, n, agent)
			}
		})
	}
	upgrader.Wait()
	senders.Wait()
}

// next is the number of the next request, negative if that was all.
func (f *flow) next() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made >= f.total && f.upgraded.Load() {
		return -1
	}
	f.made += perUpgradeRequest
	return f.made
}

func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.acked)
}

// deliver sends one request until it is answered 200, at one agent after the other.
func (f *flow) deliver(t *testing.T, number, agent int) {
	if err := f.limit.WaitN(t.Context(), perUpgradeRequest); err != nil {
		t.Error(err)
		return
	}
	var messages []map[string]any
	var ids []string
	for i := range perUpgradeRequest {
		id := fmt.Sprintf("u-%d-%d", number, i)
		ids = append(ids, id)
		messages = append(messages, map[string]any{"type": "track", "event": "Seen", "userId": fmt.Sprintf("u%d", number%997), "messageId": id})
	}
	body := jsonBytes(t, batch(messages...))
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); agent++ {
		status, err := f.post(t.Context(), f.u.Agents[agent%len(f.u.Agents)], body)
		switch {
		case err != nil:
			f.refused.Add(1)
			continue
		case status >= 500:
			f.failed.Add(1)
		}
		f.requests.Add(1)
		if status == http.StatusOK {
			f.mu.Lock()
			for _, id := range ids {
				f.acked[id] = true
			}
			f.mu.Unlock()
			return
		}
	}
	t.Errorf("request %d was never taken", number)
}

func (f *flow) post(ctx context.Context, agent *Part, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, agent.URL+"/v1/batch", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(f.u.ServerKey, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// stored compares the events in ClickHouse with the acknowledged ones.
func (f *flow) stored(u *upgrade) error {
	conn, err := u.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	var rows, distinct uint64
	if err := conn.QueryRow(u.T.Context(), "SELECT count(), uniqExact(event_id) FROM events FINAL").Scan(&rows, &distinct); err != nil {
		return err
	}
	if want := uint64(len(f.acked)); rows != want || distinct != want {
		return errors.Join(fmt.Errorf("%d rows of %d events are stored, %d were acknowledged", rows, distinct, want))
	}
	return nil
}
