// Package cluster is this node's view of the other aggregators, kept by
// gossip (memberlist). The view is a hint: it tells agents where to connect
// and spreads work, and may be wrong or split at any time. A wrong view costs
// duplicate work; nothing that must be right depends on it.
package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// rejoinEvery is how often a node looks for configured peers it has lost:
// memberlist by itself never heals a partition that outlasted its suspicion.
const rejoinEvery = 10 * time.Second

// Options configure a Cluster.
type Options struct {
	Self       protocol.Member // as agents see this node; ID is unique for each start
	BindAddr   string          // gossip address, private
	BindPort   int             // 0 picks a free port
	Join       []string        // every known peer's gossip address
	Key        []byte          // 32 bytes, shared by the installation
	Label      string          // keeps installations on one network apart
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Cluster is a member of the gossip. It is safe for concurrent use.
type Cluster struct {
	o    Options
	list *memberlist.Memberlist

	mu      sync.Mutex
	self    protocol.Member
	members []protocol.Member // sorted by id, this node included
	changed chan struct{}     // closed and replaced at each change
}

// Join starts gossiping and tries the configured peers once; Run keeps trying.
func Join(o Options) (*Cluster, error) {
	c := &Cluster{o: o, self: o.Self, members: []protocol.Member{o.Self}, changed: make(chan struct{})}
	config := memberlist.DefaultLANConfig()
	config.Name = o.Self.ID
	config.BindAddr, config.BindPort, config.AdvertisePort = o.BindAddr, o.BindPort, o.BindPort
	config.SecretKey = o.Key
	config.GossipVerifyIncoming, config.GossipVerifyOutgoing = true, true
	config.Label = o.Label
	config.PushPullInterval = 5 * time.Second
	config.Delegate, config.Events, config.Alive = (*delegate)(c), (*delegate)(c), (*delegate)(c)
	config.Logger = log.New(logWriter{o.Logger}, "", 0)
	list, err := memberlist.Create(config)
	if err != nil {
		return nil, fmt.Errorf("start gossip on %s:%d: %w", o.BindAddr, o.BindPort, err)
	}
	c.list = list
	o.Registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "unmogrowp_cluster_members",
		Help: "Aggregators that this node sees alive, itself included."}, func() float64 { return float64(len(c.Members())) }))
	c.rejoin()
	return c, nil
}

// Address is where this node gossips, as host:port.
func (c *Cluster) Address() string { return c.list.LocalNode().Address() }

// Self is this node as the others see it.
func (c *Cluster) Self() protocol.Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.self
}

// Run keeps the cluster whole until ctx ends, then leaves it.
func (c *Cluster) Run(ctx context.Context) error {
	tick := time.NewTicker(rejoinEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.rejoin()
		case <-ctx.Done():
			return c.leave()
		}
	}
}

func (c *Cluster) leave() error {
	// The others find out by themselves if the farewell does not reach them.
	if err := c.list.Leave(2 * time.Second); err != nil {
		c.o.Logger.Warn("farewell not confirmed", "error", err)
	}
	if err := c.list.Shutdown(); err != nil {
		return fmt.Errorf("leave cluster: %w", err)
	}
	return nil
}

// Close stops gossiping without a farewell. After Run it does nothing.
func (c *Cluster) Close() error {
	if err := c.list.Shutdown(); err != nil {
		return fmt.Errorf("stop gossip: %w", err)
	}
	return nil
}

// rejoin contacts the configured peers that are not alive here.
func (c *Cluster) rejoin() {
	alive := map[string]bool{}
	for _, n := range c.list.Members() {
		alive[n.Address()] = true
	}
	missing := slices.DeleteFunc(slices.Clone(c.o.Join), func(a string) bool { return alive[a] })
	if len(missing) == 0 {
		return
	}
	if n, err := c.list.Join(missing); err != nil {
		c.o.Logger.Warn("some peers not reached", "reached", n, "wanted", len(missing), "error", err)
	}
}

// Members returns the aggregators alive in this node's view, sorted by id.
func (c *Cluster) Members() []protocol.Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.members)
}

// Changed returns a channel that is closed at the next change of the view.
func (c *Cluster) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Drain announces that this node takes no more agents.
func (c *Cluster) Drain() error {
	c.mu.Lock()
	c.self.Draining = true
	c.mu.Unlock()
	if err := c.list.UpdateNode(2 * time.Second); err != nil {
		return fmt.Errorf("announce draining: %w", err)
	}
	return nil
}

// put takes a node's description into the table.
func (c *Cluster) put(n *memberlist.Node) {
	var m protocol.Member
	if json.Unmarshal(n.Meta, &m) != nil || m.ID != n.Name {
		return
	}
	c.update(func() {
		i, found := slices.BinarySearchFunc(c.members, m.ID, byID)
		if !found {
			c.members = slices.Insert(c.members, i, m)
		}
		c.members[i] = m
	})
}

// drop takes a node out of the table. This node itself stays in.
func (c *Cluster) drop(id string) {
	c.update(func() {
		if i, found := slices.BinarySearchFunc(c.members, id, byID); found && id != c.self.ID {
			c.members = slices.Delete(c.members, i, i+1)
		}
	})
}

func byID(m protocol.Member, id string) int { return strings.Compare(m.ID, id) }

// update changes a copy of the table, so that slices handed out stay as they
// were, and tells the watchers.
func (c *Cluster) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.members
	c.members = slices.Clone(before)
	change()
	if !slices.Equal(before, c.members) {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// logWriter passes memberlist's log lines on as debug messages, warnings and
// errors as such.
type logWriter struct{ l *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	level := slog.LevelDebug
	switch {
	case strings.Contains(line, "[ERR]"):
		level = slog.LevelError
	case strings.Contains(line, "[WARN]"):
		level = slog.LevelWarn
	}
	w.l.Log(context.Background(), level, "gossip", "line", line)
	return len(p), nil
}

var _ io.Writer = logWriter{}
