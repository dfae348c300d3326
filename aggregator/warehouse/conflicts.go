package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// RecordConflicts stores the variants of message ids that were used for more than
// one content. Recording them again changes nothing.
func (w *Warehouse) RecordConflicts(ctx context.Context, variants []attribution.Variant) error {
	all := pointers(variants)
	for len(all) > 0 {
		n := min(len(all), maxInsertRows)
		columns := []column{
			pick("app_id", all[:n], func(v *attribution.Variant) string { return v.App }),
			pick("event_id", all[:n], func(v *attribution.Variant) string { return v.ID }),
			pick("digest", all[:n], func(v *attribution.Variant) uint64 { return v.Digest }),
			pick("received", all[:n], func(v *attribution.Variant) int64 { return v.Received }),
		}
		if err := w.send(ctx, "event_id_conflicts", columns, n); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// Conflicts returns the variants of the message ids of an app after an id, in the
// order of their ids, of each the one that counts first; at most limit of them.
func (w *Warehouse) Conflicts(ctx context.Context, app, after string, limit int) ([]attribution.Variant, error) {
	var found []attribution.Variant
	scan := func(r driver.Rows) error {
		v := attribution.Variant{App: app}
		err := r.Scan(&v.ID, &v.Digest, &v.Received)
		found = append(found, v)
		return err
	}
	err := each(ctx, w.facts, scan, `SELECT event_id, digest, min(received) AS first FROM event_id_conflicts
WHERE app_id = ? AND event_id > ? GROUP BY event_id, digest ORDER BY event_id, first, digest LIMIT ?`, app, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read conflicts of message ids: %w", err)
	}
	return found, nil
}
