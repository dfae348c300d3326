package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/pass"
)

// Results stores and reads attributions.
type Results struct{ *server }

// Stamps returns version and input digest of the stored attributions of these
// conversions. Conversions without one are left out.
func (w *Results) Stamps(ctx context.Context, app string, ids []string) (map[string]attribution.Stamp, error) {
	stamps := make(map[string]attribution.Stamp, len(ids))
	scan := func(rows driver.Rows) error {
		var id string
		var s attribution.Stamp
		err := rows.Scan(&id, &s.Version, &s.InputDigest)
		stamps[id] = s
		return err
	}
	err := w.lookup(ctx, ids, scan, `SELECT conversion_id, max(version), argMax(input_digest, version) FROM attributions
WHERE app_id = ? AND conversion_id IN (SELECT value FROM wanted)
GROUP BY conversion_id`, app)
	if err != nil {
		return nil, fmt.Errorf("read attribution stamps: %w", err)
	}
	return stamps, nil
}

// Stale returns a page of the conversions at or after from that are stored as
// attributed by settings older than a generation, in the order of their ids and
// after one of them.
func (w *Results) Stale(ctx context.Context, app string, from int64, generation uint64, after string, limit int) ([]string, error) {
	var list []string
	scan := func(rows driver.Rows) error {
		var id string
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	}
	err := each(ctx, w.facts, scan, `SELECT conversion_id FROM attributions
WHERE app_id = ? AND time >= ? AND conversion_id > ?
GROUP BY conversion_id HAVING argMax(generation, version) < ?
ORDER BY conversion_id LIMIT ?`, app, from, after, generation, limit)
	if err != nil {
		return nil, fmt.Errorf("read attributions of older settings: %w", err)
	}
	return list, nil
}

// maxInsertAttributions is how many rows go into one insert: they are large, and an insert
// has its time.
const maxInsertAttributions = 25_000

// Generations returns, by app, the highest generation of settings that attributions are stored under.
func (w *Results) Generations(ctx context.Context) (map[string]uint64, error) {
	highest := make(map[string]uint64)
	err := each(pass.Without(ctx), w.read, func(r driver.Rows) error {
		var app string
		var generation uint64
		err := r.Scan(&app, &generation)
		highest[app] = generation
		return err
	}, "SELECT app_id, max(generation) FROM attributions GROUP BY app_id")
	if err != nil {
		return nil, fmt.Errorf("read the generations of attributions: %w", err)
	}
	return highest, nil
}

// InsertAttributions stores rows; of each conversion the row with the greatest
// version stays.
func (w *Results) InsertAttributions(ctx context.Context, rows []attribution.Row) error {
	all := pointers(rows)
	for len(all) > 0 {
		n := min(len(all), maxInsertAttributions)
		if err := w.send(ctx, "attributions", attributionColumns(all[:n]), n); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func attributionColumns(rows []*attribution.Row) []column {
	columns := append(conversionOutcome(rows), retargetingColumns(rows)...)
	columns = append(columns, touchArrays(rows)...)
	for m := range attribution.ModelCount {
		columns = append(columns,
			nested("credit_"+m.String(), rows, touchesOf, func(t *attribution.Credited) uint32 { return uint32(t.Credit[m]) }),
			nested("revenue_"+m.String(), rows, touchesOf, func(t *attribution.Credited) int64 { return t.Revenue[m] }))
	}
	return append(columns, candidateArrays(rows)...)
}

func touchesOf(r *attribution.Row) []attribution.Credited { return r.Result.Touches }

func conversionOutcome(rows []*attribution.Row) []column {
	type row = attribution.Row
	return []column{
		pick("app_id", rows, func(r *row) string { return r.Conversion.App }),
		pick("conversion_id", rows, func(r *row) string { return r.Conversion.ID }),
		pick("version", rows, func(r *row) uint64 { return r.Version }),
		pick("name", rows, func(r *row) string { return r.Conversion.Name }),
		pick("install", rows, func(r *row) bool { return r.Conversion.Install }),
		pick("time", rows, func(r *row) int64 { return r.Conversion.Time }),
		pick("received", rows, func(r *row) int64 { return r.Conversion.Received }),
		pick("revenue", rows, func(r *row) int64 { return r.Result.Revenue }),
		pick("has_revenue", rows, func(r *row) bool { return r.Conversion.HasRevenue }),
		pick("currency", rows, func(r *row) string { return r.Conversion.Currency }),
		pick("generation", rows, func(r *row) uint64 { return r.Result.Generation }),
		pick("inputs", rows, func(r *row) uint32 { return r.Result.Inputs }),
		pick("input_digest", rows, func(r *row) uint64 { return r.Result.InputDigest }),
		pick("truncated", rows, func(r *row) bool { return r.Result.Truncated }),
		pick("install_id", rows, func(r *row) string { return r.Result.Install.ID }),
		pick("outcome", rows, func(r *row) string { return string(r.Result.Install.Outcome) }),
		pick("reason", rows, func(r *row) string { return r.Result.Install.Reason }),
		pick("match", rows, func(r *row) string { return string(r.Result.Install.Match) }),
		pick("touch_id", rows, func(r *row) string { return r.Result.Install.TouchID }),
		pick("media_source", rows, func(r *row) string { return r.Result.Install.MediaSource }),
		pick("campaign", rows, func(r *row) string { return r.Result.Install.Campaign }),
		pick("adset", rows, func(r *row) string { return r.Result.Install.AdSet }),
		pick("ad", rows, func(r *row) string { return r.Result.Install.Ad }),
		pick("keyword", rows, func(r *row) string { return r.Result.Install.Keyword }),
		pick("link_id", rows, func(r *row) string { return r.Result.Install.LinkID }),
		pick("fraud_rule", rows, func(r *row) string { return string(r.Result.Install.Fraud) }),
		pick("fraud_level", rows, func(r *row) string { return r.Result.Install.Fraud.Level() }),
		pick("order_id", rows, func(r *row) string { return r.Conversion.OrderID() }),
		pick("repeat_of", rows, func(r *row) string { return r.Result.RepeatOf }),
		pick("untrusted", rows, func(r *row) bool { return r.Conversion.Untrusted }),
		pick("historical", rows, func(r *row) bool { return r.Conversion.Marks&attribution.MarkHistorical != 0 }),
		pick("primary_source", rows, func(r *row) string { return r.Result.Primary() }),
	}
}

// retargetingColumns tell of the re-engagement whose window a conversion lies in.
func retargetingColumns(rows []*attribution.Row) []column {
	text := func(name string, field func(*attribution.Retargeted) string) column {
		return pick("retargeting_"+name, rows, func(r *attribution.Row) string { return field(&r.Result.Retargeting) })
	}
	return []column{
		text("open_id", func(t *attribution.Retargeted) string { return t.OpenID }),
		pick("retargeting_opened_at", rows, func(r *attribution.Row) int64 { return r.Result.Retargeting.Opened }),
		text("touch_id", func(t *attribution.Retargeted) string { return t.TouchID }),
		text("media_source", func(t *attribution.Retargeted) string { return t.MediaSource }),
		text("campaign", func(t *attribution.Retargeted) string { return t.Campaign }),
		text("adset", func(t *attribution.Retargeted) string { return t.AdSet }),
		text("ad", func(t *attribution.Retargeted) string { return t.Ad }),
		text("keyword", func(t *attribution.Retargeted) string { return t.Keyword }),
		text("link_id", func(t *attribution.Retargeted) string { return t.LinkID }),
	}
}

// touchArrays are the parallel arrays of the credited touches.
func touchArrays(rows []*attribution.Row) []column {
	type credited = attribution.Credited
	text := func(name string, field func(*attribution.Touch) string) column {
		return nested("touches_"+name, rows, touchesOf, func(t *credited) string { return field(t.Touch) })
	}
	type touch = attribution.Touch
	return []column{
		text("id", func(t *touch) string { return t.ID }),
		nested("touches_time", rows, touchesOf, func(t *credited) int64 { return t.Touch.Time }),
		text("kind", func(t *touch) string { return t.Kind.String() }),
		text("media_source", func(t *touch) string { return t.MediaSource }),
		text("medium", func(t *touch) string { return t.Medium }),
		text("campaign", func(t *touch) string { return t.Campaign }),
		text("adset", func(t *touch) string { return t.AdSet }),
		text("ad", func(t *touch) string { return t.Ad }),
		text("keyword", func(t *touch) string { return t.Keyword }),
		text("link_id", func(t *touch) string { return t.LinkID }),
		nestedWords("touches_fraud", rows, touchesOf, func(t *credited) string { return string(t.Fraud) }),
	}
}

// candidateArrays are the parallel arrays of an install's candidates.
func candidateArrays(rows []*attribution.Row) []column {
	type candidate = attribution.Candidate
	of := func(r *attribution.Row) []candidate { return r.Result.Candidates }
	text := func(name string, field func(*candidate) string) column {
		return nested("candidates_"+name, rows, of, field)
	}
	touch := func(c *candidate) *attribution.Touch {
		if c.Touch == nil {
			return &attribution.Touch{}
		}
		return c.Touch
	}
	return []column{
		text("touch_id", func(c *candidate) string { return touch(c).ID }),
		text("claim", func(c *candidate) string { return c.Claim }),
		text("kind", func(c *candidate) string {
			if c.Touch == nil {
				return ""
			}
			return c.Touch.Kind.String()
		}),
		nested("candidates_time", rows, of, func(c *candidate) int64 { return touch(c).Time }),
		text("media_source", func(c *candidate) string { return touch(c).MediaSource }),
		text("campaign", func(c *candidate) string { return touch(c).Campaign }),
		text("match", func(c *candidate) string { return string(c.Match) }),
		text("verdict", func(c *candidate) string { return string(c.Verdict) }),
		nestedWords("candidates_fraud", rows, of, func(c *candidate) string { return string(c.Fraud) }),
	}
}
