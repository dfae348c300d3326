package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// DropLost removes the touches and conversions that come from a losing content of a
// message id, if the content that counts, the first one, states none. The variants are
// those that FindConflicts has found. It returns the removed facts, so that
// attributions that shared something with them can be computed anew.
func (w *Disputes) DropLost(ctx context.Context, variants []attribution.Variant) (attribution.Facts, error) {
	winners := make(map[string]map[string]attribution.Variant)
	for _, v := range variants {
		if winners[v.App] == nil {
			winners[v.App] = make(map[string]attribution.Variant)
		}
		old, known := winners[v.App][v.ID]
		if !known || v.Received < old.Received || v.Received == old.Received && v.Digest < old.Digest {
			winners[v.App][v.ID] = v
		}
	}
	var gone attribution.Facts
	for app, won := range winners {
		if err := w.dropLost(ctx, app, won, &gone); err != nil {
			return gone, fmt.Errorf("drop what lost against another content of its message id: %w", err)
		}
	}
	return gone, nil
}

func (w *Disputes) dropLost(ctx context.Context, app string, won map[string]attribution.Variant, gone *attribution.Facts) error {
	touches, err := w.made(ctx, "touch", app, won)
	if err != nil {
		return err
	}
	conversions, err := w.made(ctx, "conversion", app, won)
	if err != nil {
		return err
	}
	for _, m := range touches {
		gone.Touches = append(gone.Touches, attribution.Touch{App: app, ID: m.id, Time: m.time, Keys: m.keys})
	}
	for _, m := range conversions {
		gone.Conversions = append(gone.Conversions, attribution.Conversion{App: app, ID: m.id, Time: m.time, Keys: m.keys})
	}
	if err := w.dropFacts(ctx, app, touches, conversions); err != nil {
		return err
	}
	return w.dropOrphans(ctx, app, slices.Collect(maps.Keys(won)))
}

// made is a variant of a touch or a conversion.
type made struct {
	id, version string
	time        int64
	digest      uint64
	keys        []string
}

// made returns the facts of ids that have no fact from the content that counts.
func (w *Disputes) made(ctx context.Context, fact, app string, won map[string]attribution.Variant) ([]made, error) {
	all, err := w.rowsOfFacts(ctx, fact, app, slices.Collect(maps.Keys(won)))
	rightly := make(map[string]bool)
	for _, m := range all {
		if m.digest == won[m.id].Digest {
			rightly[m.id] = true
		}
	}
	return slices.DeleteFunc(all, func(m made) bool { return rightly[m.id] }), err
}

// rowsOfFacts returns every variant of touches or conversions.
func (w *server) rowsOfFacts(ctx context.Context, fact, app string, ids []string) ([]made, error) {
	var all []made
	scan := func(rows driver.Rows) error {
		var m made
		err := rows.Scan(&m.id, &m.version, &m.time, &m.digest, &m.keys)
		all = append(all, m)
		return err
	}
	err := w.lookup(ctx, ids, scan, `SELECT DISTINCT `+fact+`_id, toString(version), time, digest, keys FROM `+fact+`_ids
PREWHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted) WHERE `+fact+`_id IN (SELECT value FROM wanted)`, app)
	return all, err
}

// dropFacts deletes these variants of touches and of conversions, and the
// attributions of the latter.
func (w *server) dropFacts(ctx context.Context, app string, touches, conversions []made) error {
	for _, step := range []struct {
		tables []string
		column string
		facts  []made
	}{
		{[]string{"touch_keys", "open_keys", "touches", "touch_ids"}, "touch_id", touches},
		{[]string{"touch_lookup"}, "id_hash", touches},
		{[]string{"conversion_keys", "conversions", "conversion_ids"}, "conversion_id", conversions},
	} {
		for chunk := range slices.Chunk(step.facts, eraseChunk) {
			ids, versions := make([]string, len(chunk)), make([]string, len(chunk))
			for i, m := range chunk {
				ids[i], versions[i] = m.id, m.version
			}
			if err := w.deciding(ctx, app, ids, changingFor); err != nil {
				return err
			}
			var of any = ids
			if step.column == "id_hash" {
				of = hashesOf(ids)
			}
			for _, table := range step.tables {
				condition := "app_id = ? AND " + step.column + " IN (?) AND toString(version) IN (?)"
				if err := w.changing(ctx, table, condition, app, of, versions); err != nil {
					return err
				}
				if err := w.write.Exec(ctx, "DELETE FROM "+table+" WHERE "+condition, app, of, versions); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// dropOrphans deletes the attributions among ids of conversions that are not there.
func (w *server) dropOrphans(ctx context.Context, app string, ids []string) error {
	found, err := (&Facts{w}).ConversionsByID(ctx, app, ids)
	if err != nil {
		return err
	}
	stamps, err := (&Results{w}).Stamps(ctx, app, ids)
	if err != nil {
		return err
	}
	for i := range found {
		delete(stamps, found[i].ID)
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(stamps)), eraseChunk) {
		if err := w.write.Exec(ctx, "DELETE FROM attributions WHERE app_id = ? AND conversion_id IN (?)", app, chunk); err != nil {
			return err
		}
	}
	return nil
}
