package warehouse

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Facts reads touches, conversions and identity links, by match key and by id.
type Facts struct{ *server }

// Links returns the identity links of keys, each once and with A < B: of each key those
// that may be followed from it, its first attribution.MaxLinks. Links of a key that happens
// to have the hash of another may be among them.
func (w *Facts) Links(ctx context.Context, app string, keys []string) ([]attribution.Link, error) {
	links := make([]attribution.Link, 0, 2*len(keys))
	count, many := make(map[string]int, len(keys)), []string(nil)
	scan := func(rows driver.Rows) error {
		l := attribution.Link{App: app}
		if err := rows.Scan(&l.A, &l.B, &l.Received); err != nil {
			return err
		}
		if count[l.A]++; count[l.A] == attribution.MaxLinks+1 {
			many = append(many, l.A)
		}
		links = append(links, l)
		return nil
	}
	// Which of a key's links come first is asked for only where there are too many: for
	// all keys it costs as much as all else.
	err := w.lookupHashes(ctx, hashesOf(keys), scan, `SELECT a, b, received FROM identity_links
PREWHERE `+w.hashed(ctx, "identity_links", "a_hash", len(keys))+` IN (SELECT hash FROM wanted)
WHERE app_id = ? LIMIT ? BY a`, app, attribution.MaxLinks+1)
	if err == nil && len(many) > 0 {
		links = slices.DeleteFunc(links, func(l attribution.Link) bool { return count[l.A] > attribution.MaxLinks })
		err = w.firstLinks(ctx, app, many, &links)
	}
	if err != nil {
		return nil, fmt.Errorf("read identity links: %w", err)
	}
	return earliest(links), nil
}

// earliest turns every link so that A < B, and keeps each once, with its first stamp.
func earliest(links []attribution.Link) []attribution.Link {
	type pair struct{ a, b string }
	at, kept := make(map[pair]int, len(links)/2), links[:0]
	for _, l := range links {
		if l.A > l.B {
			l.A, l.B = l.B, l.A
		}
		i, known := at[pair{l.A, l.B}]
		switch {
		case !known:
			at[pair{l.A, l.B}] = len(kept)
			kept = append(kept, l)
		case l.Received < kept[i].Received:
			kept[i].Received = l.Received
		}
	}
	return kept
}

// firstLinks appends of each key's links as many as are read.
func (w *Facts) firstLinks(ctx context.Context, app string, keys []string, links *[]attribution.Link) error {
	scan := func(rows driver.Rows) error {
		l := attribution.Link{App: app}
		err := rows.Scan(&l.A, &l.B, &l.Received)
		*links = append(*links, l)
		return err
	}
	return w.lookup(ctx, keys, scan, `SELECT a, b, min(received) FROM identity_links
PREWHERE a_hash IN (SELECT hash FROM wanted)
WHERE app_id = ? AND a IN (SELECT value FROM wanted)
GROUP BY a, b ORDER BY a, min(received), b LIMIT ? BY a`, app, attribution.MaxLinks)
}

// Touches returns the touches with one of keys and from < time <= to. Of a
// message id that was used more than once it returns the variant that counts,
// or none if that one has other keys. Touches of a key that happens to have the
// hash of another may be among them.
func (w *Facts) Touches(ctx context.Context, app string, keys []string, from, to int64) ([]attribution.Touch, error) {
	var touches []attribution.Touch
	seen := make(map[version]bool, len(keys))
	scan := func(rows driver.Rows) error {
		var row string
		if err := rows.Scan(&row); err != nil {
			return err
		}
		t, u := readStamp(app, row)
		v := version{t.ID, variant{t.Received, t.Digest}}
		if t.Time <= from || t.Time > to || seen[v] { // cheaper here than by a column more to read there
			return u.fault()
		}
		seen[v] = true
		readTouch(&t, &u)
		touches = append(touches, t)
		return u.fault()
	}
	err := w.lookupHashes(ctx, hashesOf(keys), scan, `SELECT touch FROM touch_lookup
PREWHERE `+w.hashed(ctx, "touch_lookup", "key_hash", len(keys))+` IN (SELECT hash FROM wanted)
WHERE app_id = ?`, app)
	if err != nil {
		return nil, fmt.Errorf("read touches: %w", err)
	}
	return w.onlyWinners(ctx, app, touches)
}

// Openings returns the touches of kind Open with one of keys and from < time <= to,
// which Touches leaves out. Variants are treated as Touches treats them.
func (w *Facts) Openings(ctx context.Context, app string, keys []string, from, to int64) ([]attribution.Touch, error) {
	var openings []attribution.Touch
	scan := func(rows driver.Rows) error {
		t := attribution.Touch{App: app, Kind: attribution.Open, Opened: true}
		err := rows.Scan(&t.ID, &t.Original, &t.Time, &t.Received, &t.Digest, &t.Keys)
		openings = append(openings, t)
		return err
	}
	err := w.lookup(ctx, keys, scan, `SELECT touch_id, original, time, received, digest, keys FROM open_keys
PREWHERE `+w.hashed(ctx, "open_keys", "key_hash", len(keys))+` IN (SELECT hash FROM wanted)
WHERE app_id = ? AND key IN (SELECT value FROM wanted) AND time > ? AND time <= ?
LIMIT 1 BY touch_id, version`, app, from, to)
	if err != nil {
		return nil, fmt.Errorf("read openings: %w", err)
	}
	return w.onlyWinners(ctx, app, openings)
}

const conversionFields = `conversion_id, original, time, received, digest, name, install, revenue, has_revenue, currency,
    untrusted, click_id, referrer, withheld, install_begin, referrer_click, marks, keys`

// ConversionsOf returns the ids of the conversions that have a variant with one of
// keys: at or after from, or an install of any time. Conversions of a key that
// happens to have the hash of another may be among them.
func (w *Facts) ConversionsOf(ctx context.Context, app string, keys []string, from int64) ([]string, error) {
	var list []string
	scan := func(rows driver.Rows) error {
		var id string
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	}
	err := w.lookupHashes(ctx, hashesOf(keys), scan, `SELECT DISTINCT conversion_id FROM conversion_keys
PREWHERE `+w.hashed(ctx, "conversion_keys", "key_hash", len(keys))+` IN (SELECT hash FROM wanted)
WHERE app_id = ? AND (time >= ? OR install)`, app, from)
	if err != nil {
		return nil, fmt.Errorf("read conversions: %w", err)
	}
	return list, nil
}

// ConversionsByID returns the conversions of these ids, of each the variant that
// counts.
func (w *Facts) ConversionsByID(ctx context.Context, app string, ids []string) ([]attribution.Conversion, error) {
	conversions, at := make([]attribution.Conversion, 0, len(ids)), make(map[string]int, len(ids))
	scan := func(rows driver.Rows) error {
		c, err := scanConversion(rows, app)
		i, known := at[c.ID]
		switch {
		case !known:
			at[c.ID] = len(conversions)
			conversions = append(conversions, c)
		case counts(&c, &conversions[i]):
			conversions[i] = c
		}
		return err
	}
	err := w.lookup(ctx, ids, scan, `SELECT `+conversionFields+` FROM conversion_ids
PREWHERE `+w.hashed(ctx, "conversion_ids", "id_hash", len(ids))+` IN (SELECT hash FROM wanted)
WHERE app_id = ? AND conversion_id IN (SELECT value FROM wanted)`, app)
	if err != nil {
		return nil, fmt.Errorf("read conversions by id: %w", err)
	}
	return conversions, nil
}

// counts says which of two variants of a conversion counts: the one with the greater
// version, as the tables have it.
func counts(a, b *attribution.Conversion) bool {
	return cmp.Or(cmp.Compare(a.Received, b.Received), cmp.Compare(a.Digest, b.Digest), cmp.Compare(uint16(a.Time), uint16(b.Time))) < 0
}

func scanConversion(rows driver.Rows, app string) (attribution.Conversion, error) {
	c := attribution.Conversion{App: app}
	err := rows.Scan(&c.ID, &c.Original, &c.Time, &c.Received, &c.Digest, &c.Name, &c.Install, &c.Revenue, &c.HasRevenue,
		&c.Currency, &c.Untrusted, &c.ClickID, &c.Referrer, &c.Withheld,
		&c.InstallBegin, &c.ReferrerClick, (*uint8)(&c.Marks), &c.Keys)
	return c, err
}

// variant tells apart the contents that were sent under one message id.
type variant struct {
	received int64
	digest   uint64
}

// version is one variant of one message id.
type version struct {
	id string
	variant
}

// onlyWinners drops the touches that lost against another of the same id.
func (w *Facts) onlyWinners(ctx context.Context, app string, touches []attribution.Touch) ([]attribution.Touch, error) {
	ids := make([]string, len(touches))
	for i := range touches {
		ids[i] = touches[i].ID
	}
	winners, err := w.winners(ctx, app, ids)
	if err != nil || len(winners) == 0 {
		return touches, err
	}
	return slices.DeleteFunc(touches, func(t attribution.Touch) bool {
		winner, ok := winners[t.ID]
		return ok && winner != variant{t.Received, t.Digest}
	}), nil
}

// winners returns the variant that counts for those ids of touches that have more
// than one, wherever these are stored. Nearly all ids have one row, which their
// hashes tell; only the rows of the others are read.
func (w *Facts) winners(ctx context.Context, app string, ids []string) (map[string]variant, error) {
	several, err := w.several(ctx, "touch", app, ids)
	if err != nil || len(several) == 0 {
		return nil, err
	}
	found := make(map[string]variant)
	scan := func(rows driver.Rows) error {
		var id string
		var v variant
		err := rows.Scan(&id, &v.received, &v.digest)
		found[id] = v
		return err
	}
	err = w.lookup(ctx, several, scan, `SELECT touch_id, argMax(received, version), argMax(digest, version) FROM touch_ids
PREWHERE `+w.hashed(ctx, "touch_ids", "id_hash", len(several))+` IN (SELECT hash FROM wanted)
WHERE app_id = ? AND touch_id IN (SELECT value FROM wanted)
GROUP BY touch_id HAVING min(version) != max(version)`, app)
	if err != nil {
		return nil, fmt.Errorf("read variants of touches: %w", err)
	}
	return found, nil
}

// several returns those ids that have more than one row, whether that is a
// variant or the same sent again.
func (w *Facts) several(ctx context.Context, fact, app string, ids []string) ([]string, error) {
	var repeated map[uint64]bool
	scan := func(rows driver.Rows) error {
		var hash uint64
		err := rows.Scan(&hash)
		if repeated == nil {
			repeated = make(map[uint64]bool)
		}
		repeated[hash] = true
		return err
	}
	hashes := hashesOf(ids)
	err := w.lookupHashes(ctx, hashes, scan, `SELECT id_hash FROM `+fact+`_ids
PREWHERE `+w.hashed(ctx, fact+"_ids", "id_hash", len(ids))+` IN (SELECT hash FROM wanted)
WHERE app_id = ? GROUP BY id_hash HAVING count() > 1`, app)
	if err != nil {
		return nil, fmt.Errorf("count variants of %ss: %w", fact, err)
	}
	if repeated == nil {
		return nil, nil
	}
	var list []string
	for i, h := range hashes {
		if repeated[h] {
			list = append(list, ids[i])
		}
	}
	return list, nil
}
