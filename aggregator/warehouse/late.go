package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// LateTouch is a touch that arrived later than the lateness limit after it
// happened, by the agents' stamps, and what it did not change for that.
type LateTouch struct {
	ID          string
	Kind        string
	MediaSource string
	Campaign    string
	Time        int64
	Received    int64
	Refused     uint64 // conversions that share a key with it and had arrived too long before it to be credited to it
}

// LateQuery asks for the touches of an app with from <= time < to. Times are
// in milliseconds.
type LateQuery struct {
	App      string
	From, To int64
	Lateness int64 // the app's limit
	Lookback int64 // how long after a touch a conversion may be credited to it
	Limit    int
}

// LateTouches returns touches that arrived too late, the latest arrivals first.
// That each has lost a conversion is not said: nobody may have converted, or the
// conversion may have arrived as late.
func (w *Warehouse) LateTouches(ctx context.Context, q LateQuery) ([]LateTouch, error) {
	var list []LateTouch
	scan := func(rows driver.Rows) error {
		var t LateTouch
		err := rows.Scan(&t.ID, &t.Kind, &t.MediaSource, &t.Campaign, &t.Time, &t.Received, &t.Refused)
		list = append(list, t)
		return err
	}
	err := each(ctx, w.read, scan, `WITH late AS
(
    SELECT touch_id, kind, media_source, campaign, time, received, keys FROM touches FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND received - time > ? AND kind != 'open'
    ORDER BY received DESC, touch_id LIMIT ?
)
SELECT t.touch_id, any(t.kind), any(t.media_source), any(t.campaign), any(t.time), any(t.received) AS arrived,
    uniqExactIf(c.conversion_id, c.conversion_id != '' AND c.time >= t.time AND c.time < t.time + ? AND t.received > c.received + ?)
FROM (SELECT touch_id, kind, media_source, campaign, time, received, key FROM late LEFT ARRAY JOIN keys AS key) AS t
LEFT JOIN
(
    SELECT key, conversion_id, time, received FROM conversion_keys
    WHERE app_id = ? AND key_hash IN (SELECT cityHash64(arrayJoin(keys)) FROM late) AND time >= ? AND time < ?
) AS c ON c.key = t.key
GROUP BY t.touch_id ORDER BY arrived DESC, t.touch_id`, q.App, q.From, q.To, q.Lateness, q.Limit, q.Lookback, q.Lateness,
		q.App, q.From, q.To+q.Lookback)
	if err != nil {
		return nil, fmt.Errorf("read late touches: %w", err)
	}
	return list, nil
}
