package node

import (
	"context"
	"fmt"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
)

// evidence reads the facts around a conversion that were not credited.
type evidence struct {
	warehouse *warehouse.Warehouse
	settings  func(app string, ms int64) *attribution.Settings
}

// maxStoryKeys bounds the keys that a conversion's story follows.
const maxStoryKeys = 4 * attribution.MaxKeys

// Around tells what there is around a conversion and was not credited.
func (e evidence) Around(ctx context.Context, app, id string) (report.Surroundings, error) {
	rows, err := e.warehouse.Attributions(ctx, app, []string{id})
	if err != nil {
		return report.Surroundings{}, err
	}
	found, err := e.warehouse.ConversionsByID(ctx, app, []string{id})
	if err != nil || len(found) == 0 || len(rows) == 0 {
		return report.Surroundings{Keys: []string{}, Links: []report.IdentityLink{}, OtherTouches: []report.OtherTouch{}}, err
	}
	c := &found[0]
	s := e.settings(app, c.Time)
	links, keys, err := e.follow(ctx, app, c.Keys)
	if err != nil {
		return report.Surroundings{}, err
	}
	back, ahead := s.Span(c.Install)
	touches, err := e.warehouse.Touches(ctx, app, keys, c.Time-max(back, s.Lookback)-30*attribution.Day, c.Time+max(ahead, attribution.Day))
	if err != nil {
		return report.Surroundings{}, fmt.Errorf("read touches around a conversion: %w", err)
	}
	return report.Surround(&rows[0], c, links, touches, s), nil
}

// follow returns the links of everything that can be reached from keys, whenever
// they arrived, and the keys.
func (e evidence) follow(ctx context.Context, app string, keys []string) ([]attribution.Link, []string, error) {
	var links []attribution.Link
	known := make(map[string]bool)
	all := []string{}
	add := func(list ...string) (fresh []string) {
		for _, k := range list {
			if !known[k] && len(all) < maxStoryKeys {
				known[k] = true
				all, fresh = append(all, k), append(fresh, k)
			}
		}
		return fresh
	}
	for fresh, hop := add(keys...), 0; len(fresh) > 0 && hop < attribution.MaxHops; hop++ {
		found, err := e.warehouse.Links(ctx, app, fresh)
		if err != nil {
			return nil, nil, fmt.Errorf("read links around a conversion: %w", err)
		}
		links = append(links, found...)
		fresh = nil
		for _, l := range found {
			fresh = append(fresh, add(l.A, l.B)...)
		}
	}
	return links, all, nil
}

// Conflicts tells which message ids were used for several contents.
func (e evidence) Conflicts(ctx context.Context, app, after string, limit int) (report.ConflictsResult, error) {
	read := 4 * (limit + 1)
	variants, err := e.warehouse.Conflicts(ctx, app, after, read)
	return report.ConflictsOf(variants, read, limit), err
}
