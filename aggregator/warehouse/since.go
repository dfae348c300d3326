package warehouse

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// position is where a page of Since ended: the table and the last row, in the
// order of the pages.
type position struct {
	Stage    int    `json:"s"`
	At       int64  `json:"t"`
	App      string `json:"a"`
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

// Changes tells what was stored when.
type Changes struct{ *server }

// Since returns the next page of the facts that were inserted at or after since
// and before until, by the server's clock, at most limit of them, and the cursor
// of the page after it, "" after the last. Of a touch or a conversion whose
// message id was used more than once, all variants are on the page: what any of
// them can reach may have to be computed anew.
//
// A row's stamp is from the beginning of its insert: ask again for what is
// younger than MaxInsertTime.
func (w *Changes) Since(ctx context.Context, since, until time.Time, cursor string, limit int) (attribution.Facts, string, error) {
	var facts attribution.Facts
	var at position
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &at); err != nil {
			return facts, "", fmt.Errorf("read cursor of changes: %w", err)
		}
	}
	if at.At < since.UnixMilli() {
		at.At = since.UnixMilli()
	}
	read := [...]func(context.Context, *attribution.Facts, *position, int64, int) (int, error){
		stageTouches: w.touchesSince, stageLinks: w.linksSince, stageConversions: w.conversionsSince,
	}
	for at.Stage < stageEnd && limit > 0 {
		n, err := read[at.Stage](ctx, &facts, &at, until.UnixMilli(), limit)
		if err != nil {
			return facts, "", fmt.Errorf("read changes: %w", err)
		}
		if n < limit {
			at = position{Stage: at.Stage + 1, At: since.UnixMilli()}
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

func (w *Changes) touchesSince(ctx context.Context, f *attribution.Facts, at *position, until int64, limit int) (int, error) {
	n := 0
	scan := func(rows driver.Rows) error {
		var t attribution.Touch
		if err := rows.Scan(&at.At, &t.App, &t.ID, &t.Time, &t.Received, &t.Digest, &t.Keys); err != nil {
			return err
		}
		at.App, at.ID, at.Received, at.Digest = t.App, t.ID, t.Received, t.Digest
		f.Touches = append(f.Touches, t)
		n++
		return nil
	}
	err := each(ctx, w.facts, scan, `SELECT toUnixTimestamp64Milli(inserted_at) AS at, app_id, touch_id, time, received, digest, keys FROM touches
WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND inserted_at < fromUnixTimestamp64Milli(?)
    AND (at, app_id, touch_id, received, digest) > (?, ?, ?, ?, ?)
ORDER BY at, app_id, touch_id, received, digest LIMIT ?`, at.At, until, at.At, at.App, at.ID, at.Received, at.Digest, limit)
	return n, err
}

func (w *Changes) conversionsSince(ctx context.Context, f *attribution.Facts, at *position, until int64, limit int) (int, error) {
	n := 0
	scan := func(rows driver.Rows) error {
		var c attribution.Conversion
		if err := rows.Scan(&at.At, &c.App, &c.ID, &c.Time, &c.Received, &c.Digest, &c.Keys); err != nil {
			return err
		}
		at.App, at.ID, at.Received, at.Digest = c.App, c.ID, c.Received, c.Digest
		f.Conversions = append(f.Conversions, c)
		n++
		return nil
	}
	err := each(ctx, w.facts, scan, `SELECT toUnixTimestamp64Milli(inserted_at) AS at, app_id, conversion_id, time, received, digest, keys FROM conversions
WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND inserted_at < fromUnixTimestamp64Milli(?)
    AND (at, app_id, conversion_id, received, digest) > (?, ?, ?, ?, ?)
ORDER BY at, app_id, conversion_id, received, digest LIMIT ?`, at.At, until, at.At, at.App, at.ID, at.Received, at.Digest, limit)
	return n, err
}

func (w *Changes) linksSince(ctx context.Context, f *attribution.Facts, at *position, until int64, limit int) (int, error) {
	n := 0
	scan := func(rows driver.Rows) error {
		var l attribution.Link
		if err := rows.Scan(&at.At, &l.App, &l.A, &l.B, &l.Received); err != nil {
			return err
		}
		at.App, at.ID, at.Other, at.Received = l.App, l.A, l.B, l.Received
		f.Links = append(f.Links, l)
		n++
		return nil
	}
	err := each(ctx, w.facts, scan, `SELECT toUnixTimestamp64Milli(inserted_at) AS at, app_id, a, b, received FROM identity_links
WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND inserted_at < fromUnixTimestamp64Milli(?) AND a < b
    AND (at, app_id, a, b, received) > (?, ?, ?, ?, ?)
ORDER BY at, app_id, a, b, received LIMIT ?`, at.At, until, at.At, at.App, at.ID, at.Other, at.Received, limit)
	return n, err
}

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
