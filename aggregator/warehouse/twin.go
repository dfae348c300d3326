package warehouse

import (
	"context"
	"embed"
	"fmt"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-faster/city"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

//go:embed twin.sql
var queries embed.FS

// maxTwinKeys bounds the keys of the people of one computation.
const maxTwinKeys = 200_000

// Twin computes in ClickHouse what package attribution defines, a second and
// independent time: of each conversion the path and its shares under the five
// models, with the settings given, from the touches, conversions and links that
// are stored. It reads no stored attribution and writes nothing. The rows are
// ordered by id and hold neither what is known of installs nor input digests.
func (w *Warehouse) Twin(ctx context.Context, app string, ids []string, s *attribution.Settings) ([]attribution.Row, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	b, err := w.twinBounds(ctx, app, ids)
	if err != nil {
		return nil, fmt.Errorf("find people of conversions: %w", err)
	}
	text, err := queries.ReadFile("twin.sql")
	if err != nil {
		return nil, fmt.Errorf("read own query: %w", err)
	}
	ctx, err = twinContext(ctx, app, ids, b, s)
	if err != nil {
		return nil, err
	}
	var rows []attribution.Row
	scan := func(r driver.Rows) error {
		row, err := scanTwin(r, app, s.Generation)
		rows = append(rows, row)
		return err
	}
	if err := each(ctx, w.facts, scan, string(text)); err != nil {
		return nil, fmt.Errorf("compute attributions in SQL: %w", err)
	}
	return rows, nil
}

// ConversionsAfter returns up to limit conversions of an app after a place and
// before a time, in order, and the place that the next ones come after; more says
// whether there may be any.
func (w *Warehouse) ConversionsAfter(ctx context.Context, app string, after attribution.Cursor, to int64, limit int) (
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
GROUP BY time, conversion_id ORDER BY time, conversion_id LIMIT ?`, app, after.Time, to, after.Time, after.ID, limit)
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

// twinBounds are what a computation need not look beyond.
type twinBounds struct {
	keys     []string
	from, to int64 // times of the conversions
}

// twinBounds finds all keys that are within reach of any variant of the
// conversions, over links of any time.
func (w *Warehouse) twinBounds(ctx context.Context, app string, ids []string) (twinBounds, error) {
	b := twinBounds{from: 1 << 62}
	seen := make(map[string]bool)
	var fresh []string
	add := func(keys []string) {
		for _, k := range keys {
			if !seen[k] {
				seen[k] = true
				fresh = append(fresh, k)
			}
		}
	}
	err := w.lookup(ctx, ids, func(r driver.Rows) error {
		var keys []string
		var at int64
		err := r.Scan(&keys, &at)
		add(keys)
		b.from, b.to = min(b.from, at), max(b.to, at)
		return err
	}, `SELECT keys, time FROM conversion_ids
WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted) AND conversion_id IN (SELECT value FROM wanted)`, app)
	for hop := 0; err == nil && len(fresh) > 0; hop++ {
		from := fresh
		b.keys, fresh = append(b.keys, fresh...), nil
		if len(b.keys) > maxTwinKeys {
			return b, attribution.ErrTooManyKeys
		}
		if hop == attribution.MaxHops {
			break
		}
		err = w.lookup(ctx, from, func(r driver.Rows) error {
			var key string
			err := r.Scan(&key)
			add([]string{key})
			return err
		}, `SELECT DISTINCT b FROM identity_links
WHERE app_id = ? AND a_hash IN (SELECT hash FROM wanted) AND a IN (SELECT value FROM wanted) LIMIT ?`, app, maxTwinKeys+1)
	}
	return b, err
}

// twinContext hands the computation its tables and parameters.
func twinContext(ctx context.Context, app string, ids []string, b twinBounds, s *attribution.Settings) (context.Context, error) {
	wanted, err := hashedTable("wanted", ids)
	if err != nil {
		return nil, err
	}
	known, err := hashedTable("known", b.keys)
	if err != nil {
		return nil, err
	}
	span, _ := s.Span(true)
	number := func(v int64) string { return strconv.FormatInt(v, 10) }
	return clickhouse.Context(ctx, clickhouse.WithExternalTable(wanted, known), clickhouse.WithParameters(clickhouse.Parameters{
		"app": app, "lateness": number(s.Lateness), "lookback": number(s.Lookback), "install_span": number(span),
		"from": number(b.from - max(span, s.Lookback)), "to": number(b.to),
		"half_life": number(max(s.HalfLife, 1)), "impressions": strconv.FormatBool(s.ImpressionsInMTA), "transform": string(s.Transform),
		"first": number(s.PositionFirst), "middle": number(s.PositionMiddle), "last": number(s.PositionLast),
		"max_keys": number(attribution.MaxKeys), "max_hops": number(attribution.MaxHops), "max_touches": number(attribution.MaxTouches),
	})), nil
}

// hashedTable is a table of a statement's own; empty, it has one row that is
// nobody's, for a table without rows is not sent.
func hashedTable(name string, values []string) (*ext.Table, error) {
	table, err := ext.NewTable(name, ext.Column("hash", "UInt64"), ext.Column("value", "String"))
	if err != nil {
		return nil, fmt.Errorf("make table %s: %w", name, err)
	}
	if len(values) == 0 {
		values = []string{""}
	}
	for _, v := range values {
		if err := table.Append(city.CH64([]byte(v)), v); err != nil {
			return nil, fmt.Errorf("fill table %s: %w", name, err)
		}
	}
	return table, nil
}

func scanTwin(rows driver.Rows, app string, generation uint64) (attribution.Row, error) {
	row := attribution.Row{Conversion: attribution.Conversion{App: app}}
	c, r := &row.Conversion, &row.Result
	var t touchColumnsRead
	err := rows.Scan(&c.ID, &c.Name, &c.Install, &c.Time, &c.Received, &c.Revenue, &c.HasRevenue, &c.Currency, &r.Truncated,
		&t.id, &t.time, &t.kind, &t.source, &t.medium, &t.campaign, &t.adSet, &t.ad, &t.keyword, &t.link, &t.credit, &t.revenue)
	if err != nil {
		return row, err
	}
	r.App, r.ID, r.Generation, r.Revenue = app, c.ID, generation, c.Revenue
	r.Touches = t.credited(app)
	return row, nil
}
