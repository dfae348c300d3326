package cluster

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func join(t *testing.T, id string, key byte, peers ...string) (c *Cluster, stop func()) {
	t.Helper()
	c, err := Join(Options{Self: protocol.Member{ID: id, Address: id + ":7443", Region: "eu"}, BindAddr: "127.0.0.1", Join: peers,
		Key: bytes.Repeat([]byte{key}, 32), Label: "test", Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return c, stop
}

// await waits until the view satisfies ok.
func await(t *testing.T, c *Cluster, what string, ok func([]protocol.Member) bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		changed := c.Changed()
		members := c.Members()
		if ok(members) {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: still %s", what, fmt.Sprint(members))
		}
	}
}

func size(n int) func([]protocol.Member) bool {
	return func(m []protocol.Member) bool { return len(m) == n }
}

func TestMembersComeDrainAndGo(t *testing.T) {
	a, _ := join(t, "a", 1)
	b, stop := join(t, "b", 1, a.Address())
	await(t, a, "a sees b", size(2))
	await(t, b, "b sees a", size(2))
	if err := b.Drain(); err != nil {
		t.Fatal(err)
	}
	await(t, a, "a sees b draining", func(m []protocol.Member) bool { return len(m) == 2 && m[1].Draining && m[1].Address == "b:7443" })
	await(t, b, "b sees itself draining", func(m []protocol.Member) bool { return len(m) == 2 && m[1].Draining })
	stop()
	await(t, a, "a sees b gone", size(1))
}

func TestAnotherKeyDoesNotJoin(t *testing.T) {
	a, _ := join(t, "a", 1)
	stranger, _ := join(t, "s", 2, a.Address())
	b, _ := join(t, "b", 1, a.Address())
	await(t, a, "a sees b", size(2))
	await(t, b, "b sees a", size(2))
	if m := stranger.Members(); len(m) != 1 {
		t.Errorf("the stranger sees %v", m)
	}
	for _, m := range a.Members() {
		if m.ID == "s" {
			t.Error("a sees the stranger")
		}
	}
}
