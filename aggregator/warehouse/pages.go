package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// ConversionsAfter returns up to limit conversions of an app after a place and
// before a time, in order, and the place that the next ones come after; more says
// whether there may be any.
func (w *Facts) ConversionsAfter(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) (
	list []attribution.Conversion, next attribution.Cursor, more bool, err error) {
	at := make(map[string]int64)
	var ids []string
	next = after
	err = each(ctx, w.facts, func(r driver.Rows) error {
		err := r.Scan(&next.Time, &next.ID)
		if _, twice := at[next.ID]; !twice {
			ids = append(ids, next.ID)
		}
		at[next.ID] = next.Time
		return err
	}, `SELECT time, conversion_id FROM conversions
WHERE app_id = ? AND time >= ? AND time < ? AND (time, conversion_id) > (?, ?)
ORDER BY time, conversion_id LIMIT ?`, app, after.Time, to, after.Time, after.ID, limit)
	if err != nil {
		return nil, after, false, fmt.Errorf("list conversions: %w", err)
	}
	found, err := w.ConversionsByID(ctx, app, ids)
	for i := range found { // a variant that lost is not a conversion of its time
		if found[i].Time >= after.Time && found[i].Time < to {
			list = append(list, found[i])
		}
	}
	return list, next, len(at) > 0, err
}
