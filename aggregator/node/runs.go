package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/deliveries"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/aggregator/runs"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// studies are computations beside the stored attributions.
type studies struct {
	warehouse *warehouse.Warehouse
	accounts  *accounts.Accounts
}

// Bounds of a preview: it answers within a request.
const (
	previewSample = 10_000 // conversions
	previewPage   = 2_000
	previewTime   = 12 * time.Second
)

// runner does runs on this node.
func (n *Node) runner() (*runs.Runner, error) {
	s := studies{n.warehouse, n.accounts}
	return runs.New(runs.Options{
		Store: n.accounts.Runs, Owner: n.cluster.Self().ID, Log: n.o.Log,
		Kinds: map[string]runs.Kind{
			runs.DataDriven: runs.Learn(n.warehouse, runDirectory{n.accounts.Apps, n.directory}),
			runs.WhatIf:     runs.Simulate(s),
			runs.Erasure:    eraser{n.warehouse, n.attributor, erasureWaits(), deliveries.NewLedger(n.accounts.Pool)}.erase,
		},
	})
}

type runDirectory struct {
	*apps.Apps
	directory *directory
}

// Settings returns the settings of an app as they stood at a time.
func (d runDirectory) Settings(app string, ms int64) *attribution.Settings {
	return d.directory.At(app, ms)
}

// simulation attributes into a named run.
type simulation struct {
	*recompute.Attributor
	run *warehouse.WhatIf
}

// Effect compares the run with the stored attributions.
func (s simulation) Effect(ctx context.Context) (report.EffectResult, error) {
	return s.run.Effect(ctx)
}

// Simulate begins a what-if, or goes on with one.
func (s studies) Simulate(ctx context.Context, app, run string, settings attribution.Settings) (runs.Simulation, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("write settings down: %w", err)
	}
	into, err := s.warehouse.WhatIf(ctx, app, run, string(text))
	if err != nil {
		return nil, err
	}
	a, err := s.under(into, settings)
	return simulation{a, into}, err
}

// under returns an attributor with the same settings for all times.
func (s studies) under(store recompute.Store, settings attribution.Settings) (*recompute.Attributor, error) {
	return recompute.New(recompute.Options{Store: store, Feed: s.warehouse, Watermarks: s.accounts,
		Settings: func(string, int64) *attribution.Settings { return &settings }})
}

// Unstated finds events that are no conversions under the app's own settings.
func (s studies) Unstated(ctx context.Context, app string, from, to int64, names []string, limit int) ([]protocol.Event, error) {
	return s.warehouse.Unstated(ctx, app, from, to, names, limit)
}

// ConversionsAfter lists conversions in order.
func (s studies) ConversionsAfter(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) (
	[]attribution.Conversion, attribution.Cursor, bool, error) {
	return s.warehouse.ConversionsAfter(ctx, app, after, to, limit)
}

// Forget removes the results of a what-if.
func (s studies) Forget(ctx context.Context, app, run string) error {
	return s.warehouse.Forget(ctx, app, run)
}

// memory is a store whose attributions are kept and nowhere written.
type memory struct {
	*warehouse.Warehouse
	mu   sync.Mutex
	rows map[string]attribution.Row
}

// Stamps returns none: whatever is computed is kept.
func (m *memory) Stamps(context.Context, string, []string) (map[string]attribution.Stamp, error) {
	return nil, nil
}

// InsertAttributions keeps rows.
func (m *memory) InsertAttributions(_ context.Context, rows []attribution.Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rows {
		m.rows[r.Conversion.ID] = r
	}
	return nil
}

// Preview tells what settings would do to the attributions of a range: of all
// conversions, or of a sample that is always the same, as many as there is time for.
// It stores nothing.
func (s studies) Preview(ctx context.Context, app string, settings attribution.Settings, from, to int64) (report.EffectResult, error) {
	began := time.Now()
	ids, of, err := s.warehouse.SampleConversions(ctx, app, from, to, previewSample)
	if err != nil {
		return report.EffectResult{}, err
	}
	effect, looked, changed := report.NewEffect(), uint64(0), uint64(0)
	for page := range slices.Chunk(ids, previewPage) {
		if time.Since(began) > previewTime && looked > 0 {
			break
		}
		other := &memory{Warehouse: s.warehouse, rows: make(map[string]attribution.Row, len(page))}
		a, err := s.under(other, settings)
		if err != nil {
			return report.EffectResult{}, err
		}
		if _, err := a.Rewrite(ctx, app, page); err != nil {
			return report.EffectResult{}, err
		}
		now, err := s.warehouse.Attributions(ctx, app, page)
		if err != nil {
			return report.EffectResult{}, err
		}
		for i := range now {
			then, found := other.rows[now[i].Conversion.ID]
			if !found {
				continue // erased meanwhile
			}
			effect.Add(&now[i], false)
			effect.Add(&then, true)
			looked++
			if !report.Alike(&now[i], &then) {
				changed++
			}
		}
	}
	result := effect.Result()
	result.Conversions, result.Of, result.Changed = looked, of, changed
	return result, nil
}
