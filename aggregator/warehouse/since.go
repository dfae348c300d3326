package warehouse

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// position is where a page of Since ended: the stage, and the last row in the order of its
// table. A page begins where the one before ended and ends after its rows, so that all pages
// together read every new row once, however many there are.
type position struct {
	Stage    int    `json:"s"`
	App      string `json:"a"`
	Place    uint64 `json:"p"` // hour of the original time in seconds, or hash of a link's key
	ID       string `json:"i"`
	Other    string `json:"o"`
	Received int64  `json:"r"`
	Digest   uint64 `json:"d"`
}

// The stages of Since. Conversions come last, when all else is known.
const (
	stageTouches = iota
	stageLinks
	stageConversions
	stageEnd
)

// Changes lists the facts that were stored in a range of time.
type Changes struct{ *server }

// Since returns the next page of the facts that were inserted at or after since
// and before until, by the server's clock, at most limit of them, and the cursor
// of the page after it, "" after the last. Of a touch or a conversion whose
// message id was used more than once, all variants are on the page: what any of
// them can reach may have to be computed anew.
//
// A row's stamp is from the beginning of its insert: ask again for rows younger than
// MaxInsertTime.
func (w *Changes) Since(ctx context.Context, since, until time.Time, cursor string, limit int) (attribution.Facts, string, error) {
	var facts attribution.Facts
	var at position
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &at); err != nil {
			return facts, "", fmt.Errorf("read cursor of changes: %w", err)
		}
	}
	read := [...]func(context.Context, *attribution.Facts, *position, stretch, int) (int, error){
		stageTouches: w.touchesSince, stageLinks: w.linksSince, stageConversions: w.conversionsSince,
	}
	for at.Stage < stageEnd && limit > 0 {
		n, err := read[at.Stage](ctx, &facts, &at, stretch{since.UnixMilli(), until.UnixMilli()}, limit)
		if err != nil {
			return facts, "", fmt.Errorf("read changes: %w", err)
		}
		if n < limit {
			at = position{Stage: at.Stage + 1}
		}
		limit -= n
	}
	if err := w.addVariants(ctx, &facts); err != nil {
		return facts, "", err
	}
	if at.Stage == stageEnd {
		return facts, "", nil
	}
	next, err := json.Marshal(at)
	return facts, string(next), err
}

// stretch is a range of storage times in milliseconds, without its end.
type stretch struct{ since, until int64 }

// pageOf is a statement that reads the next rows of a table in its order. The primary key is
// searched by the first condition on the place. Every part gives a block at least, so blocks are small.
func pageOf(table, fields, place, id, condition string) string {
	return "SELECT app_id, toUInt64(" + place + ") AS place, " + fields + " FROM " + table + `
WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND inserted_at < fromUnixTimestamp64Milli(?)` + condition + `
    AND app_id >= ? AND (app_id > ? OR ` + place + ` >= ?) AND (toString(app_id), place, ` + id + `) > (?, ?, ?, ?, ?)
ORDER BY app_id, ` + place + ", " + id + " LIMIT ? SETTINGS max_block_size = 4096, optimize_read_in_order = 1, read_in_order_use_buffering = 0, max_threads = 1"
}

func (w *Changes) touchesSince(ctx context.Context, f *attribution.Facts, at *position, s stretch, limit int) (int, error) {
	n := 0
	scan := func(rows driver.Rows) error {
		var t attribution.Touch
		if err := rows.Scan(&t.App, &at.Place, &t.ID, &t.Time, &t.Received, &t.Digest, &t.Keys); err != nil {
			return err
		}
		at.App, at.ID, at.Received, at.Digest = t.App, t.ID, t.Received, t.Digest
		f.Touches = append(f.Touches, t)
		n++
		return nil
	}
	err := each(ctx, w.facts, scan, pageOf("touches", "touch_id, time, received, digest, keys", hourSQL, "touch_id, received, digest", ""),
		s.since, s.until, at.App, at.App, hourOf(at), at.App, at.Place, at.ID, at.Received, at.Digest, limit)
	return n, err
}

func (w *Changes) conversionsSince(ctx context.Context, f *attribution.Facts, at *position, s stretch, limit int) (int, error) {
	n := 0
	scan := func(rows driver.Rows) error {
		var c attribution.Conversion
		if err := rows.Scan(&c.App, &at.Place, &c.ID, &c.Time, &c.Received, &c.Digest, &c.Keys); err != nil {
			return err
		}
		at.App, at.ID, at.Received, at.Digest = c.App, c.ID, c.Received, c.Digest
		f.Conversions = append(f.Conversions, c)
		n++
		return nil
	}
	err := each(ctx, w.facts, scan, pageOf("conversions", "conversion_id, time, received, digest, keys", hourSQL, "conversion_id, received, digest", ""),
		s.since, s.until, at.App, at.App, hourOf(at), at.App, at.Place, at.ID, at.Received, at.Digest, limit)
	return n, err
}

func (w *Changes) linksSince(ctx context.Context, f *attribution.Facts, at *position, s stretch, limit int) (int, error) {
	n := 0
	scan := func(rows driver.Rows) error {
		var l attribution.Link
		if err := rows.Scan(&l.App, &at.Place, &l.A, &l.B, &l.Received); err != nil {
			return err
		}
		at.App, at.ID, at.Other, at.Received = l.App, l.A, l.B, l.Received
		f.Links = append(f.Links, l)
		n++
		return nil
	}
	err := each(ctx, w.facts, scan, pageOf("identity_links", "a, b, received", "a_hash", "a, b, received", " AND a < b"),
		s.since, s.until, at.App, at.App, at.Place, at.App, at.Place, at.ID, at.Other, at.Received, limit)
	return n, err
}

// hourSQL is the hour by which the tables of facts are ordered, hourOf the same of a position.
const hourSQL = "toStartOfHour(fromUnixTimestamp64Milli(original, 'UTC'))"

func hourOf(at *position) time.Time { return time.Unix(int64(at.Place), 0).UTC() }

// addVariants appends the other variants of the facts' message ids.
func (w *Changes) addVariants(ctx context.Context, f *attribution.Facts) error {
	touches := make(map[string][]string)
	for i := range f.Touches {
		touches[f.Touches[i].App] = append(touches[f.Touches[i].App], f.Touches[i].ID)
	}
	for app, ids := range touches {
		err := w.variants(ctx, "touch", app, ids, func(id string, time int64, v variant, keys []string) {
			f.Touches = append(f.Touches, attribution.Touch{App: app, ID: id, Time: time, Received: v.received, Digest: v.digest, Keys: keys})
		})
		if err != nil {
			return err
		}
	}
	conversions := make(map[string][]string)
	for i := range f.Conversions {
		conversions[f.Conversions[i].App] = append(conversions[f.Conversions[i].App], f.Conversions[i].ID)
	}
	for app, ids := range conversions {
		err := w.variants(ctx, "conversion", app, ids, func(id string, time int64, v variant, keys []string) {
			f.Conversions = append(f.Conversions, attribution.Conversion{App: app, ID: id, Time: time, Received: v.received, Digest: v.digest, Keys: keys})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// variants gives every variant of those ids that have more than one to use.
func (w *Changes) variants(ctx context.Context, fact, app string, ids []string, use func(string, int64, variant, []string)) error {
	ids, err := (&Facts{w.server}).several(ctx, fact, app, ids)
	if err != nil {
		return err
	}
	scan := func(rows driver.Rows) error {
		var id string
		var time int64
		var v variant
		var keys []string
		if err := rows.Scan(&id, &time, &v.received, &v.digest, &keys); err != nil {
			return err
		}
		use(id, time, v, keys)
		return nil
	}
	err = w.lookup(ctx, ids, scan, `SELECT `+fact+`_id, time, received, digest, keys FROM `+fact+`_ids
WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted) AND `+fact+`_id IN (
    SELECT `+fact+`_id FROM `+fact+`_ids
    WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted) AND `+fact+`_id IN (SELECT value FROM wanted)
    GROUP BY `+fact+`_id HAVING min(version) != max(version))`, app, app)
	if err != nil {
		return fmt.Errorf("read variants of %ss: %w", fact, err)
	}
	return nil
}
