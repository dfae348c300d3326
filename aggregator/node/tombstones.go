package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// How often a node holds the warehouse against the erasures that were done.
const (
	tombstonesEvery = 30 * time.Second
	tombstonesPage  = 500
)

// tombstones sees to it that whoever was erased stays erased. Postgres has a record of every erasure; a
// warehouse that was restored from a backup may be older than some. Their tombstones are set again before
// the node takes events or answers questions, and the erasures are done again.
type tombstones struct {
	erasures  erasureRecord
	warehouse graveyard
	log       *slog.Logger
	repeated  prometheus.Counter
}

// erasureRecord is where the erasures that were done are kept.
type erasureRecord interface {
	Erasures(ctx context.Context, after string, limit int) ([]apps.Erasure, error)
	RepeatErasure(ctx context.Context, e apps.Erasure) error
}

// graveyard is a warehouse with tombstones.
type graveyard interface {
	Unmarked(ctx context.Context, wanted []warehouse.Tombstone) ([]warehouse.Tombstone, error)
	Mark(ctx context.Context, app string, keys []string, at int64) error
}

func newTombstones(t tombstones, r prometheus.Registerer) *tombstones {
	t.repeated = promauto.With(r).NewCounter(prometheus.CounterOpts{
		Name: "unmogrowp_erasures_repeated_total", Help: "Erasures that were done again because ClickHouse, restored from a backup, had forgotten them."})
	return &t
}

// Run checks until ctx ends: the warehouse may be restored while the node runs.
func (t *tombstones) Run(ctx context.Context) error {
	for daemon.Sleep(ctx, tombstonesEvery) == nil {
		if err := t.apply(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("erasures not compared with the warehouse, it is tried again", "error", err)
		}
	}
	return nil
}

// apply sets missing tombstones and orders their erasures again.
func (t *tombstones) apply(ctx context.Context) error {
	for after := ""; ; {
		page, err := t.erasures.Erasures(ctx, after, tombstonesPage)
		if err != nil {
			return err
		}
		if err := t.restore(ctx, page); err != nil {
			return err
		}
		if len(page) < tombstonesPage {
			return nil
		}
		after = page[len(page)-1].ID
	}
}

func (t *tombstones) restore(ctx context.Context, page []apps.Erasure) error {
	var wanted []warehouse.Tombstone
	of := make(map[warehouse.Tombstone]apps.Erasure)
	for _, e := range page {
		keys, err := meant(e)
		if err != nil {
			return err
		}
		for _, key := range keys {
			tombstone := warehouse.Tombstone{App: e.App, Key: key, At: e.Ordered.UnixMilli()}
			wanted, of[tombstone] = append(wanted, tombstone), e
		}
	}
	missing, err := t.warehouse.Unmarked(ctx, wanted)
	if err != nil {
		return err
	}
	again := make(map[string]apps.Erasure)
	for _, tombstone := range missing {
		if err := t.warehouse.Mark(ctx, tombstone.App, []string{tombstone.Key}, tombstone.At); err != nil {
			return err
		}
		again[of[tombstone].ID] = of[tombstone]
	}
	for _, e := range again {
		if err := t.erasures.RepeatErasure(ctx, e); err != nil {
			return err
		}
		t.repeated.Inc()
		t.log.Warn("an erasure is done again: the warehouse had forgotten it", "app", e.App, "erasure", e.ID)
	}
	return nil
}

// meant are the match keys that an erasure had noted.
func meant(e apps.Erasure) ([]string, error) {
	var noted erasing
	if json.Unmarshal([]byte(e.Mark), &noted.Keys) == nil { // of an earlier version
		return noted.Keys, nil
	}
	if err := json.Unmarshal([]byte(e.Mark), &noted); err != nil {
		return nil, fmt.Errorf("read erasure %s: %w", e.ID, err)
	}
	return noted.Keys, nil
}
