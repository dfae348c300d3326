package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Costs that were imported are known by these dimensions.
func costDimensions() []Dimension { return []Dimension{MediaSource, Campaign, AdSet, Ad, Country} }

// knowsCost reports whether costs can be told apart, and filtered, as was asked.
func (g *Query) knowsCost() bool {
	st := stream{has: costDimensions()}
	for _, d := range g.GroupBy {
		if !st.knows(d) {
			return false
		}
	}
	for _, f := range g.filters() {
		if !st.knows(f.Field) {
			return false
		}
	}
	return true
}

// costs are the imported ones, and those that clicks state where nothing was
// imported for their source and day.
func costsOf(g *Query) []summing {
	if !g.knowsCost() {
		return nil
	}
	stated := touchStream(g)
	day := "toString(toDate(fromUnixTimestamp64Milli(x_at, '" + g.zoneName() + "')))"
	inner := stated.base
	stated.base = Statement{}
	stated.base.add("SELECT * FROM (").append(inner).add(") WHERE x_cost != 0 AND (" + day + ", x_media_source) NOT IN (SELECT toString(date), " +
		"x_media_source FROM (").
		append(costRows(g)).add("))")
	return []summing{
		{st: costStream(g), money: []measure{{"cost", "x_cost"}}},
		{st: stated, money: []measure{{"cost", "x_cost"}}},
	}
}

// costStream are imported costs; their time is noon of their day.
func costStream(q *Query) *stream {
	st := &stream{has: costDimensions()}
	st.base.add("SELECT toUnixTimestamp64Milli(toDateTime64(toString(date) || ' 12:00:00', 3, '" + q.zoneName() +
		"')) AS x_at, x_media_source, x_campaign, x_adset, x_ad, x_country, x_cost, x_currency FROM (").
		append(costRows(q)).add(")")
	return st
}

// costRows are the costs of the days of the range, of each key the last import.
func costRows(q *Query) Statement {
	var s Statement
	first, last := q.days()
	s.add("SELECT date, "+q.named("media_source", "'direct'")+" AS x_media_source, campaign AS x_campaign, adset AS x_adset, ad AS x_ad, country AS "+
		"x_country,\n"+
		"    argMax(cost, as_of) AS x_cost, argMax(currency, as_of) AS x_currency, argMax(impressions, as_of) AS x_impressions, argMax(clicks, as_of) AS "+
		"x_clicks, max(as_of) AS x_as_of\n"+
		"FROM costs WHERE app_id = ? AND date >= toDate(?) AND date <= toDate(?)", q.App, first, last)
	if q.AsOf > 0 {
		s.add(" AND as_of <= ?", q.AsOf)
	}
	return *s.add("\nGROUP BY date, media_source, campaign, adset, ad, country")
}

// days are the first and the last day of the range in the time zone of the query.
func (q *Query) days() (first, last string) {
	zone, err := q.location()
	if err != nil {
		zone = time.UTC // a valid query has one
	}
	return q.From.In(zone).Format(time.DateOnly), q.To.Add(-time.Millisecond).In(zone).Format(time.DateOnly)
}

// KnownCosts tells which of these costs take the place of stored ones.
func KnownCosts(ctx context.Context, store Store, app string, costs []Cost) (map[CostKey]bool, error) {
	var days []string
	for i := range costs {
		days = append(days, costs[i].Date)
	}
	slices.Sort(days)
	days = slices.Compact(days)
	known := make(map[CostKey]bool)
	var s Statement
	s.add("SELECT DISTINCT toString(date), media_source, campaign, adset, ad, country FROM costs WHERE app_id = ? AND date IN (?)", app, days)
	err := store.Read(ctx, Part{s, func(r Row) error {
		var k CostKey
		err := r.Scan(&k[0], &k[1], &k[2], &k[3], &k[4], &k[5])
		known[k] = true
		return err
	}})
	if err != nil {
		return nil, fmt.Errorf("read costs: %w", err)
	}
	return known, nil
}

// CostItem is a line of the list of costs.
type CostItem struct {
	Cost
	AsOf time.Time `json:"as_of"`
}

// CostsResult is a page of costs, by day.
type CostsResult struct {
	Data       []CostItem `json:"data"`
	NextCursor *string    `json:"next_cursor"`
}

// ListCosts returns a page of the imported costs of the days of a valid query.
func ListCosts(ctx context.Context, store Store, q Query) (CostsResult, error) {
	result := CostsResult{Data: []CostItem{}}
	after, err := readPlace(q.Cursor)
	if err != nil {
		return result, err
	}
	limit := q.limit()
	if q.All {
		limit = MaxExport
	}
	st := &stream{has: costDimensions()}
	var s Statement
	s.add("SELECT toString(date), x_media_source, x_campaign, x_adset, x_ad, x_country, x_currency, x_cost, x_impressions, x_clicks, x_as_of FROM "+
		"(").append(costRows(&q)).add(")").filtered(&q, st)
	if after != nil && len(after.Names) == 6 {
		word := " AND "
		if len(q.filters()) == 0 {
			word = " WHERE "
		}
		s.add(word+"(toString(date), x_media_source, x_campaign, x_adset, x_ad, x_country) > (?, ?, ?, ?, ?, ?)",
			after.Names[0], after.Names[1], after.Names[2], after.Names[3], after.Names[4], after.Names[5])
	}
	s.add("\nORDER BY date, x_media_source, x_campaign, x_adset, x_ad, x_country LIMIT ?", limit+1)
	err = store.Read(ctx, into(&result.Data, s, func(r Row, c *CostItem) error {
		var at int64
		err := r.Scan(&c.Date, &c.MediaSource, &c.Campaign, &c.AdSet, &c.Ad, &c.Country, &c.Currency, &c.Micros, &c.Impressions, &c.Clicks, &at)
		c.Cost.Cost, c.AsOf = Millionths(c.Micros), time.UnixMilli(at).UTC()
		return err
	}))
	if err != nil {
		return result, fmt.Errorf("read costs: %w", err)
	}
	if len(result.Data) > limit {
		result.Data = result.Data[:limit]
		key := result.Data[limit-1].Key()
		result.NextCursor = place{Names: key[:]}.cursor()
	}
	return result, nil
}

// Table has a row for each cost, with the columns of a file that can be imported.
func (r CostsResult) Table() Table {
	t := Table{Truncated: r.NextCursor != nil, Header: []string{"date", "media_source", "campaign", "adset", "ad", "country", "currency", "cost",
		"impressions", "clicks", "as_of"}}
	for i := range r.Data {
		c := &r.Data[i]
		t.Rows = append(t.Rows, []string{c.Date, cell(c.MediaSource), cell(c.Campaign), cell(c.AdSet), cell(c.Ad), c.Country, c.Currency, string(c.Cost.Cost),
			strconv.FormatInt(c.Impressions, 10), strconv.FormatInt(c.Clicks, 10), moment(c.AsOf)})
	}
	return t
}

// CoverageItem is a source and campaign with costs and no traffic, or the reverse.
type CoverageItem struct {
	MediaSource string  `json:"media_source"`
	Campaign    string  `json:"campaign"`
	Cost        []Money `json:"cost"`
	Clicks      uint64  `json:"clicks"`
	Impressions uint64  `json:"impressions"`
}

// CoverageResult tells where costs and traffic do not meet: a name that is written in
// two ways, an import that is missing, money spent on nothing.
type CoverageResult struct {
	CostWithoutTraffic []CoverageItem `json:"cost_without_traffic"`
	TrafficWithoutCost []CoverageItem `json:"traffic_without_cost"`
}

// Coverage compares the costs and the touches of the days of a valid query by source and
// campaign. Costs that are known by source only belong to all campaigns of it.
func Coverage(ctx context.Context, store Store, q Query) (CoverageResult, error) {
	result := CoverageResult{[]CoverageItem{}, []CoverageItem{}}
	costs := make(map[[2]string]*amounts)
	touches := make(map[[2]string]*CoverageItem)
	var c, t Statement
	costStream := stream{has: costDimensions()}
	c.add("SELECT x_media_source, x_campaign, x_currency, toString(sum(toInt128(x_cost))) FROM (").append(costRows(&q)).add(")").filtered(&q, &costStream).
		add("\nGROUP BY x_media_source, x_campaign, x_currency LIMIT ?", maxGroups)
	t.add("SELECT x_media_source, x_campaign, countIf(x_kind = 'click'), countIf(x_kind = 'impression')\n").joined(&q, touchStream(&q), nil, false).
		add("\nGROUP BY x_media_source, x_campaign LIMIT ?", maxGroups)
	err := store.Read(ctx,
		Part{c, func(r Row) error {
			var key [2]string
			var currency, sum string
			if err := r.Scan(&key[0], &key[1], &currency, &sum); err != nil {
				return err
			}
			a, err := amountOf(currency, sum, "0", "0")
			if costs[key] == nil {
				costs[key] = new(amounts)
			}
			costs[key].add(a)
			return err
		}},
		Part{t, func(r Row) error {
			item := new(CoverageItem)
			err := r.Scan(&item.MediaSource, &item.Campaign, &item.Clicks, &item.Impressions)
			touches[[2]string{item.MediaSource, item.Campaign}] = item
			return err
		}})
	if err != nil {
		return result, fmt.Errorf("compare costs and traffic: %w", err)
	}
	met := make(map[string]bool)
	for key := range touches {
		met[key[0]] = true
	}
	for key, money := range costs {
		if touches[key] == nil && (key[1] != "" || !met[key[0]]) {
			result.CostWithoutTraffic = append(result.CostWithoutTraffic, CoverageItem{MediaSource: key[0], Campaign: key[1], Cost: money.byCurrency()})
		}
	}
	for key, item := range touches {
		if item.Clicks+item.Impressions > 0 && costs[key] == nil && costs[[2]string{key[0], ""}] == nil {
			item.Cost = []Money{}
			result.TrafficWithoutCost = append(result.TrafficWithoutCost, *item)
		}
	}
	for _, list := range [][]CoverageItem{result.CostWithoutTraffic, result.TrafficWithoutCost} {
		slices.SortFunc(list, func(a, b CoverageItem) int {
			return cmp.Or(cmp.Compare(a.MediaSource, b.MediaSource), cmp.Compare(a.Campaign, b.Campaign))
		})
	}
	return result, nil
}
