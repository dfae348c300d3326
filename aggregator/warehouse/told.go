package warehouse

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Told reads what others are told of: which conversions were attributed since, and the messages behind
// a conversion.
type Told struct{ *server }

// AttributedSince returns a page of the conversions whose attribution was stored in [since, until), by
// the server's clock, in that order, and the cursor of the page after it, "" after the last. A
// conversion that was stored several times is there several times. A row is stamped at the beginning of
// its insert: ask again for rows younger than MaxInsertTime. A week is kept.
func (w *Told) AttributedSince(ctx context.Context, since, until time.Time, cursor string, limit int) ([]attribution.Change, string, error) {
	at := attribution.Change{Written: since.UnixMilli()}
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &at); err != nil {
			return nil, "", fmt.Errorf("read cursor of attributions: %w", err)
		}
	}
	var page []attribution.Change
	scan := func(rows driver.Rows) error {
		var c attribution.Change
		err := rows.Scan(&c.Written, &c.App, &c.Conversion)
		page = append(page, c)
		return err
	}
	err := each(ctx, w.facts, scan, `SELECT toUnixTimestamp64Milli(inserted_at) AS at, app_id, conversion_id FROM attribution_changes
WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND inserted_at < fromUnixTimestamp64Milli(?) AND (at, app_id, conversion_id) > (?, ?, ?)
ORDER BY inserted_at, app_id, conversion_id LIMIT ?`, at.Written, until.UnixMilli(), at.Written, at.App, at.Conversion, limit)
	if err != nil {
		return nil, "", fmt.Errorf("read attributions since: %w", err)
	}
	if len(page) < limit {
		return page, "", nil
	}
	next, err := json.Marshal(page[len(page)-1])
	return page, string(next), err
}

// EventsByID returns the messages of an app with these ids, of each the content that counts. The
// primary key of events begins with the hour of the client's time, which event_ids knows.
func (w *Told) EventsByID(ctx context.Context, app string, ids []string) (map[string]protocol.Event, error) {
	events := make(map[string]protocol.Event, len(ids))
	scan := func(rows driver.Rows) error {
		e, err := scanEvent(rows, app)
		if err == nil {
			events[e.ID] = e
		}
		return err
	}
	err := w.lookup(ctx, ids, scan, `SELECT `+eventFields+` FROM events
WHERE app_id = ? AND toStartOfHour(fromUnixTimestamp64Milli(original, 'UTC')) IN (
    SELECT toDateTime(hour * 3600, 'UTC') FROM event_ids WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted))
    AND event_id IN (SELECT value FROM wanted)
ORDER BY event_id, version DESC LIMIT 1 BY event_id`, app, app)
	if err != nil {
		return nil, fmt.Errorf("read events by id: %w", err)
	}
	return events, nil
}
