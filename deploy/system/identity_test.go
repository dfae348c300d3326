package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	agent "github.com/unmogrowp/unmogrowp/agent/node"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// A core that was away for a week comes back to agents all of whose certificates have ended. They return
// by themselves, also one that was restarted meanwhile, and nothing that they took is missing.
func TestEveryCertificateExpiresWhileTheCoreIsAway(t *testing.T) {
	var ahead atomic.Int64
	c := Bare(t, childtest.ClickHouse(t), childtest.Postgres(t))
	c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	core := c.AddAggregator()
	for range 3 {
		c.AddAgent()
	}
	s := newSender(c)
	for _, a := range c.Agents {
		s.must(a, 1, 2)
	}
	s.awaitStored()
	core.Stop(t)
	c.Aggregators = nil
	for _, a := range c.Agents {
		s.must(a, 2, 2)
	}
	ahead.Store(int64(7 * 24 * time.Hour))
	restarted := c.Agents[2]
	restarted.Stop(t)
	c.AgentsListen = core.Agents
	c.Configure = func(config *agent.Config) { config.Aggregators = []string{core.Agents} }
	again := c.StartAgent(restarted.Name, "")
	t.Cleanup(func() { again.Stop(t) })
	s.must(again, 1, 3)
	s.must(c.Agents[0], 1, 3)
	c.AddAggregator()
	s.awaitStored()
	for _, a := range []*Part{c.Agents[0], c.Agents[1], again} {
		status, err := c.agentStatus(a)
		if err != nil || !status.CertificateExpires.After(c.Now()) {
			t.Errorf("%s: certificate until %s: %v", a.Name, status.CertificateExpires, err)
		}
	}
	if n := c.audited("agent.renew_expired"); n != 3 {
		t.Errorf("%d renewals in the audit log", n)
	}
}

func (c *Cluster) audited(action string) (n int) {
	c.T.Helper()
	if err := c.Accounts.QueryRow(c.T.Context(), `SELECT count(*) FROM audit_log WHERE action = $1`, action).Scan(&n); err != nil {
		c.T.Fatal(err)
	}
	return n
}

// Of two agents on copies of one directory one is named and refused, and takes nothing more; the other goes
// on. Messages that the copy had taken arrive once it is adopted.
func TestACopiedDirectoryIsNamed(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	honest := c.Agents[0]
	s := newSender(c)
	s.must(honest, 2, 2)
	s.awaitStored()
	line := &cable{PacketConn: listenPacket(t)}
	line.cut.Store(true)
	copied := filepath.Join(c.dir, "copy")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(c.dir, honest.Name))); err != nil {
		t.Fatal(err)
	}
	clone := c.runAgent("copy", c.agentConfig("copy", ""), line)
	s.must(clone, 2, 1) // it does not know yet
	s.must(honest, 1, 1)
	c.Await("the core knows how far the honest one is", func() error {
		var next int64
		if err := c.Accounts.QueryRow(t.Context(), `SELECT next_seq FROM agent_epochs`).Scan(&next); err != nil || next < 4 {
			return fmt.Errorf("at %d: %v", next, err)
		}
		return nil
	})
	began := time.Now()
	line.cut.Store(false)
	c.Await("the copy is refused", func() error {
		status, err := c.agentStatus(clone)
		if err == nil && !strings.Contains(status.Uplink.LastError, "copy") {
			err = errors.New(status.Uplink.LastError)
		}
		return err
	})
	if took := time.Since(began); took > time.Minute {
		t.Errorf("after %s", took)
	}
	c.Await("the copy takes nothing more", func() error {
		if status, _ := s.send(clone, 1, 0); status == http.StatusOK {
			return errors.New("taken")
		}
		return nil
	})
	if n := c.audited("agent.clone"); n != 1 {
		t.Errorf("%d entries in the audit log", n)
	}
	s.must(honest, 2, 1)
	c.awaitQueue(honest, 0)

	clone.Stop(t)
	c.command(t, c.agentConfig("copy", c.EnrollmentToken("adopted")), "adopt")
	adopted := c.StartAgent("copy", "")
	t.Cleanup(func() { adopted.Stop(t) })
	s.awaitStored()
	if one, two := c.epochOf(honest), c.epochOf(adopted); one == two {
		t.Error("the adopted buffer has the epoch of the other one")
	}
}

func (c *Cluster) epochOf(p *Part) uint64 {
	c.T.Helper()
	status, err := c.agentStatus(p)
	if err != nil {
		c.T.Fatal(err)
	}
	return status.Buffer.Epoch
}

// command runs a command of a stopped agent.
func (c *Cluster) command(t *testing.T, config agent.Config, args ...string) string {
	t.Helper()
	env := map[string]string{"UNMOGROWP_DATA_DIR": config.DataDir, "UNMOGROWP_AGGREGATORS": strings.Join(config.Aggregators, ","), "UNMOGROWP_ENROLL_TOKEN": string(config.EnrollToken),
		"UNMOGROWP_UPLINK_BIND": "127.0.0.1:0"}
	var out, errs bytes.Buffer
	std := daemon.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	if code := daemon.ExecuteArgs(context.WithoutCancel(t.Context()), "agent", func(root *cobra.Command) { agent.Commands(root) }, std, args); code != 0 {
		t.Fatalf("agent %v: exit %d: %s%s", args, code, &out, &errs)
	}
	return out.String()
}

// A directory that was put back to an earlier state is named, on both sides, and goes on.
func TestARolledBackDirectoryIsNamed(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	p := c.Agents[0]
	s := newSender(c)
	s.must(p, 3, 1)
	s.awaitStored()
	p.Stop(t)
	dir, snapshot := filepath.Join(c.dir, p.Name), filepath.Join(t.TempDir(), "snapshot")
	if err := os.CopyFS(snapshot, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	p = c.StartAgent(p.Name, "")
	s.must(p, 4, 1)
	s.awaitStored()
	c.Await("the core knows how far it is", func() error {
		var next int64
		if err := c.Accounts.QueryRow(t.Context(), `SELECT next_seq FROM agent_epochs`).Scan(&next); err != nil || next < 8 {
			return fmt.Errorf("at %d: %v", next, err)
		}
		return nil
	})
	p.Stop(t)
	if err := errors.Join(os.RemoveAll(dir), os.Rename(snapshot, dir)); err != nil {
		t.Fatal(err)
	}
	// Nobody was heard of for a while.
	if _, err := c.Accounts.Exec(t.Context(), `UPDATE agent_epochs SET last_seen = now() - interval '2 minutes'`); err != nil {
		t.Fatal(err)
	}
	p = c.StartAgent(p.Name, "")
	t.Cleanup(func() { p.Stop(t) })
	c.Await("the gap is in the audit log", func() error {
		if n := c.audited("agent.gap"); n != 1 {
			return fmt.Errorf("%d entries", n)
		}
		return nil
	})
	s.must(p, 2, 1)
	s.awaitStored()
	c.Await("the agent goes on from where the core saw it", func() error {
		status, err := c.agentStatus(p)
		if err == nil && status.Buffer.NextSeq < 10 {
			err = fmt.Errorf("next is %d", status.Buffer.NextSeq)
		}
		return err
	})
}

// Agents send their kept events again, on one command at the core, and it says exactly how many they were.
func TestReplayFromTheCore(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 2)
	s := newSender(c)
	since := time.Now()
	s.must(c.Agents[0], 3, 4)
	s.must(c.Agents[1], 2, 5)
	s.awaitStored()
	for _, a := range c.Agents {
		c.awaitQueue(a, 0)
	}
	c.emptyWarehouse()
	r, err := c.Accounts.Agents.BeginReplay(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	c.Await("every agent has sent what it had", func() error {
		if r, err = c.Accounts.Agents.Replay(t.Context(), r.ID); err == nil && !r.Done() {
			err = fmt.Errorf("%+v", r.Agents)
		}
		return err
	})
	s.awaitStored()
	var events, missing int64
	for _, a := range r.Agents {
		events += a.Events
		missing += a.MissingEvents
	}
	if events != 22 || missing != 0 {
		t.Errorf("%d events were sent again, %d are missing", events, missing)
	}
}

// emptyWarehouse makes ClickHouse like one that was restored from a backup of before.
func (c *Cluster) emptyWarehouse() {
	c.T.Helper()
	conn, err := c.connect()
	if err != nil {
		c.T.Fatal(err)
	}
	defer conn.Close()
	for _, table := range []string{"events", "touches", "touch_keys", "conversions", "conversion_keys", "identity_links", "attributions"} {
		if err := conn.Exec(c.T.Context(), "TRUNCATE TABLE "+table); err != nil {
			c.T.Fatal(err)
		}
	}
}
