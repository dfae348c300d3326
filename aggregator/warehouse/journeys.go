package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// SampleConversions returns up to limit conversions of a range, chosen by the hash
// of their ids, so always the same ones and of all times alike, and how many there
// are.
func (w *Warehouse) SampleConversions(ctx context.Context, app string, from, to int64, limit int) (ids []string, of uint64, err error) {
	err = each(ctx, w.read, func(rows driver.Rows) error {
		var id string
		err := rows.Scan(&id, &of)
		ids = append(ids, id)
		return err
	}, `SELECT conversion_id, count() OVER () FROM (
    SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?)
ORDER BY cityHash64(conversion_id), conversion_id LIMIT ?`, app, from, to, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("sample conversions: %w", err)
	}
	return ids, of, nil
}
