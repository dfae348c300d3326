package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-faster/city"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// maxLinks is how many links of one key are read, by the other key's order. A
// key with more is a shared device or a robot.
const maxLinks = 2000

// wanted hands values to a statement as a table of the statement's own, with the
// hash that the key tables are ordered by. A list in the text would be parsed
// again for each of many thousand values.
func wanted(ctx context.Context, values []string) (context.Context, error) {
	table, err := ext.NewTable("wanted", ext.Column("hash", "UInt64"), ext.Column("value", "String"))
	if err != nil {
		return nil, fmt.Errorf("make table of wanted values: %w", err)
	}
	for _, v := range values {
		if err := table.Append(city.CH64([]byte(v)), v); err != nil {
			return nil, fmt.Errorf("fill table of wanted values: %w", err)
		}
	}
	return clickhouse.Context(ctx, clickhouse.WithExternalTable(table)), nil
}

// lookup runs a statement about wanted values and gives every row to scan.
func (w *Warehouse) lookup(ctx context.Context, values []string, scan func(driver.Rows) error, query string, args ...any) error {
	if len(values) == 0 {
		return nil
	}
	ctx, err := wanted(ctx, values)
	if err != nil {
		return err
	}
	return each(ctx, w.facts, scan, query, args...)
}

// each runs a read and gives every row to scan. Once begun it runs to its end,
// which the server's limits bound: when a context ends while rows arrive,
// clickhouse-go 2.50 sends on a channel that it has closed, and the process dies.
func each(ctx context.Context, conn driver.Conn, scan func(driver.Rows) error, query string, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rows, err := conn.Query(context.WithoutCancel(ctx), query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Links returns the identity links of keys, each with A < B.
func (w *Warehouse) Links(ctx context.Context, app string, keys []string) ([]attribution.Link, error) {
	var links []attribution.Link
	scan := func(rows driver.Rows) error {
		l := attribution.Link{App: app}
		if err := rows.Scan(&l.A, &l.B, &l.Received); err != nil {
			return err
		}
		if l.A > l.B {
			l.A, l.B = l.B, l.A
		}
		links = append(links, l)
		return nil
	}
	err := w.lookup(ctx, keys, scan, `SELECT a, b, min(received) FROM identity_links
WHERE app_id = ? AND a_hash IN (SELECT hash FROM wanted) AND a IN (SELECT value FROM wanted)
GROUP BY a, b ORDER BY a, b LIMIT ? BY a`, app, maxLinks)
	if err != nil {
		return nil, fmt.Errorf("read identity links: %w", err)
	}
	return links, nil
}

const touchFields = `touch_id, original, time, received, digest, kind, media_source, medium, campaign, adset, ad, keyword,
    sub, link_id, click_id, cost, cost_currency, retargeting, withheld, opened, marks, keys`

// Touches returns the touches with one of keys and from < time <= to. Of a
// message id that was used more than once it returns the variant that counts,
// or none if that one has other keys.
func (w *Warehouse) Touches(ctx context.Context, app string, keys []string, from, to int64) ([]attribution.Touch, error) {
	var touches []attribution.Touch
	scan := func(rows driver.Rows) error {
		t, err := scanTouch(rows, app)
		touches = append(touches, t)
		return err
	}
	err := w.lookup(ctx, keys, scan, `SELECT `+touchFields+` FROM touch_keys
WHERE app_id = ? AND key_hash IN (SELECT hash FROM wanted) AND key IN (SELECT value FROM wanted) AND time > ? AND time <= ?
LIMIT 1 BY touch_id, version`, app, from, to)
	if err != nil {
		return nil, fmt.Errorf("read touches: %w", err)
	}
	winners, err := w.winners(ctx, "touch", app, ids(touches, func(t *attribution.Touch) string { return t.ID }))
	if err != nil {
		return nil, err
	}
	return keepWinners(touches, winners, func(t *attribution.Touch) (string, variant) {
		return t.ID, variant{t.Received, t.Digest}
	}), nil
}

// Openings returns the touches of kind Open with one of keys and from < time <= to,
// which Touches leaves out. Variants are treated as Touches treats them.
func (w *Warehouse) Openings(ctx context.Context, app string, keys []string, from, to int64) ([]attribution.Touch, error) {
	var openings []attribution.Touch
	scan := func(rows driver.Rows) error {
		t := attribution.Touch{App: app, Kind: attribution.Open, Opened: true}
		err := rows.Scan(&t.ID, &t.Original, &t.Time, &t.Received, &t.Digest, &t.Keys)
		openings = append(openings, t)
		return err
	}
	err := w.lookup(ctx, keys, scan, `SELECT touch_id, original, time, received, digest, keys FROM open_keys
WHERE app_id = ? AND key_hash IN (SELECT hash FROM wanted) AND key IN (SELECT value FROM wanted) AND time > ? AND time <= ?
LIMIT 1 BY touch_id, version`, app, from, to)
	if err != nil {
		return nil, fmt.Errorf("read openings: %w", err)
	}
	winners, err := w.winners(ctx, "touch", app, ids(openings, func(t *attribution.Touch) string { return t.ID }))
	if err != nil {
		return nil, err
	}
	return keepWinners(openings, winners, func(t *attribution.Touch) (string, variant) {
		return t.ID, variant{t.Received, t.Digest}
	}), nil
}

func scanTouch(rows driver.Rows, app string) (attribution.Touch, error) {
	t := attribution.Touch{App: app}
	var kind string
	var sub []string
	err := rows.Scan(&t.ID, &t.Original, &t.Time, &t.Received, &t.Digest, &kind, &t.MediaSource, &t.Medium,
		&t.Campaign, &t.AdSet, &t.Ad, &t.Keyword, &sub, &t.LinkID, &t.ClickID, &t.Cost, &t.CostCurrency,
		&t.Retargeting, &t.Withheld, &t.Opened, (*uint8)(&t.Marks), &t.Keys)
	t.Kind = attribution.ParseKind(kind)
	copy(t.Sub[:], sub)
	return t, err
}

const conversionFields = `conversion_id, original, time, received, digest, name, install, revenue, has_revenue, currency,
    untrusted, click_id, referrer, withheld, install_begin, referrer_click, marks, keys`

// ConversionsOf returns the conversions with one of keys at or after from, and
// installs of any time. Variants are treated as Touches treats them.
func (w *Warehouse) ConversionsOf(ctx context.Context, app string, keys []string, from int64) ([]attribution.Conversion, error) {
	var conversions []attribution.Conversion
	scan := func(rows driver.Rows) error {
		c, err := scanConversion(rows, app)
		conversions = append(conversions, c)
		return err
	}
	err := w.lookup(ctx, keys, scan, `SELECT `+conversionFields+` FROM conversion_keys
WHERE app_id = ? AND key_hash IN (SELECT hash FROM wanted) AND key IN (SELECT value FROM wanted) AND (time >= ? OR install)
LIMIT 1 BY conversion_id, version`, app, from)
	if err != nil {
		return nil, fmt.Errorf("read conversions: %w", err)
	}
	winners, err := w.winners(ctx, "conversion", app, ids(conversions, func(c *attribution.Conversion) string { return c.ID }))
	if err != nil {
		return nil, err
	}
	return keepWinners(conversions, winners, func(c *attribution.Conversion) (string, variant) {
		return c.ID, variant{c.Received, c.Digest}
	}), nil
}

// ConversionsByID returns the conversions of these ids, of each the variant that
// counts.
func (w *Warehouse) ConversionsByID(ctx context.Context, app string, ids []string) ([]attribution.Conversion, error) {
	var conversions []attribution.Conversion
	scan := func(rows driver.Rows) error {
		c, err := scanConversion(rows, app)
		conversions = append(conversions, c)
		return err
	}
	err := w.lookup(ctx, ids, scan, `SELECT `+conversionFields+` FROM conversion_ids
WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted) AND conversion_id IN (SELECT value FROM wanted)
ORDER BY version DESC LIMIT 1 BY conversion_id`, app)
	if err != nil {
		return nil, fmt.Errorf("read conversions by id: %w", err)
	}
	return conversions, nil
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

// winners returns the variant that counts for those ids that have more than one,
// wherever these are stored. fact is "touch" or "conversion".
func (w *Warehouse) winners(ctx context.Context, fact, app string, ids []string) (map[string]variant, error) {
	found := make(map[string]variant)
	scan := func(rows driver.Rows) error {
		var id string
		var v variant
		err := rows.Scan(&id, &v.received, &v.digest)
		found[id] = v
		return err
	}
	err := w.lookup(ctx, ids, scan, `SELECT `+fact+`_id, argMax(received, version), argMax(digest, version) FROM `+fact+`_ids
WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted) AND `+fact+`_id IN (SELECT value FROM wanted)
GROUP BY `+fact+`_id HAVING min(version) != max(version)`, app)
	if err != nil {
		return nil, fmt.Errorf("read variants of %ss: %w", fact, err)
	}
	return found, nil
}

// keepWinners drops the facts that lost against another of the same id.
func keepWinners[F any](facts []F, winners map[string]variant, name func(*F) (string, variant)) []F {
	if len(winners) == 0 {
		return facts
	}
	kept := facts[:0]
	for i := range facts {
		id, v := name(&facts[i])
		if winner, ok := winners[id]; !ok || winner == v {
			kept = append(kept, facts[i])
		}
	}
	return kept
}

func ids[F any](facts []F, id func(*F) string) []string {
	list := make([]string, len(facts))
	for i := range facts {
		list[i] = id(&facts[i])
	}
	return list
}
