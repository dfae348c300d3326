package node

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/cluster"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/reconcile"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// revokedEvery is how often the list of revoked agents is read again, besides
// every change of settings.
const revokedEvery = 4 * time.Second

// directory is this node's copy of data in Postgres, known without asking: the settings
// that agents are told, the attribution settings of every app, and who is revoked. While
// Postgres is away the last knowledge stands, so ingestion goes on.
type directory struct {
	accounts *accounts.Accounts
	cluster  *cluster.Cluster
	log      *slog.Logger

	known    atomic.Pointer[knowledge]
	replay   atomic.Pointer[agents.Replay] // that agents are asked for; nil: none
	fallback attribution.Settings          // of an app that was deleted

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change of the settings
}

// knowledge is one reading of Postgres. It is never changed.
type knowledge struct {
	settings protocol.Settings
	apps     versions
	revoked  map[string]bool
}

// openDirectory reads everything once: a node that has never known the
// settings cannot serve.
func openDirectory(ctx context.Context, a *accounts.Accounts, c *cluster.Cluster, log *slog.Logger) (*directory, error) {
	d := &directory{accounts: a, cluster: c, log: log, fallback: attribution.Default(), changed: make(chan struct{})}
	if err := d.load(ctx); err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return d, nil
}

func (d *directory) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	settings, err := d.accounts.Apps.Settings(ctx)
	if err != nil {
		return err
	}
	apps, err := d.accounts.Apps.AppSettings(ctx)
	if err != nil {
		return err
	}
	revoked, err := d.revoked(ctx)
	if err != nil {
		return err
	}
	d.known.Store(&knowledge{settings: settings, apps: apps, revoked: revoked})
	d.announce()
	return nil
}

func (d *directory) revoked(ctx context.Context) (map[string]bool, error) {
	ids, err := d.accounts.Agents.RevokedAgents(ctx)
	if err != nil {
		return nil, err
	}
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set, nil
}

func (d *directory) announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.changed)
	d.changed = make(chan struct{})
}

// Run follows changes until ctx ends.
func (d *directory) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { d.watchRevoked(ctx) })
	wg.Go(func() { d.watchCluster(ctx) })
	err := d.accounts.Watch(ctx, func() {
		if err := d.load(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("settings not read, the last ones stay in force", "error", err)
		}
	})
	wg.Wait()
	return err
}

func (d *directory) watchRevoked(ctx context.Context) {
	tick := time.NewTicker(revokedEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		within, cancel := context.WithTimeout(ctx, revokedEvery)
		revoked, err := d.revoked(within)
		cancel()
		if err != nil {
			continue // Watch reports that Postgres is away
		}
		d.replaceRevoked(revoked)
		d.readReplay(ctx)
	}
}

// readReplay learns what agents are to send again, and who has answered.
func (d *directory) readReplay(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, revokedEvery)
	defer cancel()
	r, ok, err := d.accounts.Agents.OpenReplay(within)
	if err != nil {
		d.log.Warn("replay not read", "error", err)
		return
	}
	old := d.replay.Load()
	if !ok {
		d.replay.Store(nil)
		return
	}
	d.replay.Store(&r)
	if old == nil || old.ID != r.ID {
		d.announce()
	}
}

// Replay is the replay that an agent is to be asked for; nil if there is none, or if it has
// answered.
func (d *directory) Replay(agent string) *protocol.Replay {
	r := d.replay.Load()
	if r == nil || slices.ContainsFunc(r.Agents, func(a agents.ReplayAgent) bool { return a.Agent == agent }) {
		return nil
	}
	return &protocol.Replay{ID: r.ID, Since: r.Since.UnixMilli()}
}

// replaceRevoked swaps only the list of revoked agents, whatever else changes
// meanwhile.
func (d *directory) replaceRevoked(revoked map[string]bool) {
	for {
		old := d.known.Load()
		if len(old.revoked) == len(revoked) {
			return // agents are never un-revoked
		}
		next := *old
		next.revoked = revoked
		if d.known.CompareAndSwap(old, &next) {
			d.announce()
			return
		}
	}
}

// watchCluster passes changes of membership on.
func (d *directory) watchCluster(ctx context.Context) {
	for {
		select {
		case <-d.cluster.Changed():
			d.announce()
		case <-ctx.Done():
			return
		}
	}
}

// Settings is what agents are told.
func (d *directory) Settings() *protocol.Settings { return &d.known.Load().settings }

// Members are the aggregators that agents may use.
func (d *directory) Members() []protocol.Member { return d.cluster.Members() }

// Changed returns a channel that is closed at the next change.
func (d *directory) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// Revoked reports whether an agent may no longer connect.
func (d *directory) Revoked(agent string) bool { return d.known.Load().revoked[agent] }

// At returns the settings of an app as they stood at a time in milliseconds.
func (d *directory) At(app string, ms int64) *attribution.Settings {
	if s := d.known.Load().apps.at(app, ms); s != nil {
		return s
	}
	return &d.fallback
}

// Versions are the settings of every app and a channel that is closed when they
// may have changed.
func (d *directory) Versions() (map[string][]recompute.Version, <-chan struct{}) {
	changed := d.Changed() // before they are read: a version that comes between is a change
	all := make(map[string][]recompute.Version)
	for app, list := range d.known.Load().apps {
		for i := range list {
			all[app] = append(all[app], recompute.Version{From: list[i].From.UnixMilli(), Generation: list[i].Generation})
		}
	}
	return all, changed
}

// history are the versions of an app's settings.
func (d *directory) history(app string) []reconcile.Version { return d.known.Load().apps.history(app) }

// Apps are the apps that exist.
func (d *directory) Apps() []string { return slices.Collect(maps.Keys(d.known.Load().apps)) }

// versions are the attribution settings of apps, oldest first.
type versions map[string][]apps.SettingsVersion

// at returns the settings of an app as they stood at a time in milliseconds, nil
// for an app that does not exist.
func (v versions) at(app string, ms int64) *attribution.Settings {
	list := v[app]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].From.UnixMilli() <= ms || i == 0 {
			return &list[i].Settings
		}
	}
	return nil
}

// history are the versions of an app's settings, oldest first.
func (v versions) history(app string) []reconcile.Version {
	list := make([]reconcile.Version, len(v[app]))
	for i := range v[app] {
		list[i] = reconcile.Version{From: v[app][i].From.UnixMilli(), Settings: &v[app][i].Settings}
	}
	return list
}
