package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// ByRule groups a fraud report by the rule that a touch or an install is marked with.
const ByRule Dimension = "rule"

// FraudRow counts the marked touches and installs of a group. InstallsOf are all installs of
// the same group without the rule; WouldReject are installs that now count for a marked
// touch, and would lose it if the rule rejected.
type FraudRow struct {
	Names       map[string]string
	Level       string
	Action      string
	Touches     int64
	Installs    int64
	InstallsOf  int64
	Share       *Decimal
	Events      int64 // conversion events of people whose install is marked
	Revenue     Decimal
	WouldReject int64
}

// FraudTotal are the sums of the rows.
type FraudTotal struct {
	Touches     int64    `json:"touches"`
	Installs    int64    `json:"installs"`
	InstallsOf  int64    `json:"installs_of"`
	Share       *Decimal `json:"share"`
	Events      int64    `json:"events"`
	Revenue     Decimal  `json:"revenue"`
	WouldReject int64    `json:"would_reject"`
}

// FraudResult tells of marks by rule, source, campaign and so on.
type FraudResult struct {
	GroupBy  []Dimension `json:"group_by"`
	Currency string      `json:"currency"`
	Rows     []FraudRow  `json:"rows"`
	Total    FraudTotal  `json:"total"`
}

// Shape is an example of the row as JSON has it.
func (FraudRow) Shape() any {
	return struct {
		Rule        string `json:"rule,omitempty"`
		Level       string `json:"level,omitempty"`
		Action      string `json:"action,omitempty"`
		MediaSource string `json:"media_source,omitempty"`
		Campaign    string `json:"campaign,omitempty"`
		AdSet       string `json:"adset,omitempty"`
		Ad          string `json:"ad,omitempty"`
		Sub1        string `json:"sub1,omitempty"`
		Country     string `json:"country,omitempty"`
		Day         string `json:"day,omitempty"`
		FraudTotal
	}{}
}

// MarshalJSON writes each dimension under its name.
func (r FraudRow) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"touches": r.Touches, "installs": r.Installs, "installs_of": r.InstallsOf, "share": r.Share, "events": r.Events,
		"revenue": r.Revenue, "would_reject": r.WouldReject}
	for name, value := range r.Names {
		fields[name] = value
	}
	if r.Level != "" {
		fields["level"], fields["action"] = r.Level, r.Action
	}
	return json.Marshal(fields)
}

// fraudOf returns the dimensions of a fraud report, and whether the rule is one.
func fraudDimensions(q *Query) (list []Dimension, byRule bool, err error) {
	for name := range strings.SplitSeq(cmp.Or(q.Given.Get("by"), string(ByRule)), ",") {
		d := Dimension(name)
		switch {
		case d == ByRule:
			byRule = true
		case !slices.Contains(gridDimensions(), d) || slices.Contains(list, d) || len(list) == maxGroupBy-1:
			return nil, false, invalid("by must be a list of rule and at most %d of %s, each once", maxGroupBy-1, names(gridDimensions()))
		default:
			list = append(list, d)
		}
	}
	return list, byRule, nil
}

// FraudReport counts marked touches and installs.
func FraudReport(ctx context.Context, store Store, q Query) (FraudResult, error) {
	list, byRule, err := fraudDimensions(&q)
	if err != nil {
		return FraudResult{}, err
	}
	q.GroupBy, q.Net = list, false
	result := FraudResult{GroupBy: list, Currency: q.Currency, Rows: []FraudRow{}}
	if byRule {
		result.GroupBy = append([]Dimension{ByRule}, list...)
	}
	of := make(map[string]int64)
	t := fraudTable{&q, list, byRule, make(map[string]*FraudRow)}
	row := t.row
	err = store.Read(ctx,
		Part{marked(&q, candidateStream(&q), "x_rule", "uniqExact(x_id)"), func(r Row) error {
			rule, names, n, _, err := scanMarked(r, len(list))
			if err == nil && rule != "" {
				row(rule, names).Touches += n[0]
			}
			return err
		}})
	if err == nil {
		err = store.Read(ctx, Part{marked(&q, installStream(&q), "x_fraud", "countIf(x_new)", "countIf(x_new AND x_fraud != '' AND x_touch != '')"),
			func(r Row) error {
				rule, names, n, _, err := scanMarked(r, len(list))
				of[strings.Join(names, "\x00")] += n[0]
				if err == nil && rule != "" {
					one := row(rule, names)
					one.Installs += n[0]
					one.WouldReject += n[1]
				}
				return err
			}})
	}
	if err == nil {
		err = store.Read(ctx, Part{fraudEvents(&q), func(r Row) error {
			rule, names, n, exact, err := scanMarked(r, len(list))
			if err != nil {
				return err
			}
			one := row(rule, names)
			one.Events += n[0]
			money, err := integer(exact)
			if err == nil {
				one.Revenue = millionths(roundAway(money, rateUnit()))
			}
			return err
		}})
	}
	if err != nil {
		return result, fmt.Errorf("read fraud: %w", err)
	}
	result.put(t.rows, of, list)
	return result, nil
}

// fraudTable finds the row of a rule and a group.
type fraudTable struct {
	q      *Query
	list   []Dimension
	byRule bool
	rows   map[string]*FraudRow
}

func (t *fraudTable) row(rule string, names []string) *FraudRow {
	if !t.byRule {
		rule = ""
	}
	key := rule + "\x00" + strings.Join(names, "\x00")
	if t.rows[key] != nil {
		return t.rows[key]
	}
	r := &FraudRow{Names: make(map[string]string), Revenue: Millionths(0)}
	for i, d := range t.list {
		r.Names[string(d)] = names[i]
	}
	if t.byRule {
		r.Names[string(ByRule)] = rule
		r.Level, r.Action = attribution.Rule(rule).Level(), actionOf(t.q.Settings, rule)
	}
	t.rows[key] = r
	return r
}

func (r *FraudResult) put(rows map[string]*FraudRow, of map[string]int64, list []Dimension) {
	revenue := int64(0)
	for _, one := range rows {
		var names []string
		for _, d := range list {
			names = append(names, one.Names[string(d)])
		}
		one.InstallsOf = of[strings.Join(names, "\x00")]
		one.Share = part(one.Installs, one.InstallsOf)
		r.Total.Touches += one.Touches
		r.Total.Installs += one.Installs
		r.Total.Events += one.Events
		r.Total.WouldReject += one.WouldReject
		if n, err := micros(one.Revenue); err == nil {
			revenue += n.Int64()
		}
		r.Rows = append(r.Rows, *one)
	}
	for _, n := range of {
		r.Total.InstallsOf += n
	}
	r.Total.Share, r.Total.Revenue = part(r.Total.Installs, r.Total.InstallsOf), Millionths(revenue)
	slices.SortFunc(r.Rows, func(a, b FraudRow) int {
		return cmp.Or(cmp.Compare(b.Installs, a.Installs), cmp.Compare(b.Touches, a.Touches), cmp.Compare(fmt.Sprint(a.Names), fmt.Sprint(b.Names)))
	})
	r.Rows = r.Rows[:min(len(r.Rows), MaxRows)]
}

// actionOf returns the action of a rule in the settings.
func actionOf(s *attribution.Settings, rule string) string {
	text, err := json.Marshal(s.Fraud)
	if err != nil {
		return ""
	}
	var actions map[string]any
	if json.Unmarshal(text, &actions) != nil {
		return ""
	}
	action, _ := actions[rule].(string)
	return action
}

// candidateStream are the marked touches that stood for election of an install or on a path.
func candidateStream(q *Query) *stream {
	st := &stream{has: []Dimension{MediaSource, Campaign}, sent: false, by: true}
	st.base.add("SELECT id AS x_id, id AS x_touch, at AS x_at, "+q.named("source", "'direct'")+" AS x_media_source, name AS x_campaign, rule AS x_rule FROM (\n"+
		"    SELECT tupleElement(t, 1) AS id, any(tupleElement(t, 2)) AS at, any(tupleElement(t, 3)) AS source, any(tupleElement(t, 4)) AS name, "+
		"tupleElement(t, 5) AS rule FROM (\n"+
		"        SELECT arrayJoin(arrayConcat(\n            arrayMap((i, a, s, c, f) -> (i, a, s, c, toString(f)), candidates_touch_id, candidates_time, "+
		"candidates_media_source, candidates_campaign,\n"+
		"                arrayResize(candidates_fraud, length(candidates_touch_id))),\n            arrayMap((i, a, s, c, f) -> (i, a, s, c, toString(f)), "+
		"touches_id, touches_time, "+
		"touches_media_source, touches_campaign,\n                arrayResize(touches_fraud, length(touches_id))))) AS t\n"+
		"        FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?)\n    WHERE rule != '' AND id != '' GROUP BY id, rule)\nWHERE at >= ? "+
		"AND at < ?",
		q.App, q.From.UnixMilli(), q.To.UnixMilli()+longestReach, q.From.UnixMilli(), q.To.UnixMilli())
	return st
}

// marked counts a stream by rule and group.
func marked(q *Query, st *stream, rule string, counts ...string) Statement {
	var s Statement
	groups := rule
	s.add("SELECT " + rule)
	for i, d := range q.GroupBy {
		what := "''"
		if st.knows(d) {
			what = q.expression(d)
		}
		s.add(", " + what + fmt.Sprintf(" AS g%d", i))
		groups += fmt.Sprintf(", g%d", i)
	}
	for _, c := range append(counts, "0")[:2] {
		s.add(", toInt64(" + c + ")")
	}
	return *s.add(", '0'\n").joined(q, st, q.GroupBy, false).add("\nGROUP BY "+groups+" LIMIT ?", maxGroups)
}

// fraudEvents counts the conversion events, and their revenue, of people whose install is
// marked, by the source of the install.
func fraudEvents(q *Query) Statement {
	st := &stream{has: []Dimension{MediaSource, Campaign, AdSet, Ad, Keyword, ByLink}, made: true, by: true, sent: true}
	st.base.add("SELECT conversion_id AS x_id, time AS x_at, touch_id AS x_touch, " + q.named("media_source", "'organic'") +
		" AS x_media_source, campaign AS x_campaign, adset AS x_adset,\n" +
		"    ad AS x_ad, keyword AS x_keyword, link_id AS x_link, fraud_rule AS x_fraud, revenue AS x_revenue, if(has_revenue, currency, '') AS " +
		"x_currency\nFROM attributions FINAL ").
		within(q).add(" AND NOT install AND fraud_rule != ''")
	var s Statement
	s.Converts, s.Rates = true, q.Rates
	groups := "x_fraud"
	inner := "SELECT x_fraud"
	for i, d := range q.GroupBy {
		groups += fmt.Sprintf(", g%d", i)
		inner += ", " + q.expression(d) + fmt.Sprintf(" AS g%d", i)
	}
	return *s.add("SELECT "+groups+", toInt64(sum(n)), toInt64(0), toString(sum(toInt256(m) * if(currency = ?, toInt256('1000000000000000000'), "+
		"toInt256(rate))))\n"+
		"FROM (SELECT * FROM ("+inner+", x_currency AS currency, toInt32(intDiv(x_at, 86400000)) AS day, count() AS n, sum(toInt128(x_revenue)) AS m\n",
		q.Currency).
		joined(q, st, q.GroupBy, false).add("\nGROUP BY "+groups+", currency, day) AS summed LEFT ANY JOIN day_rates USING (day, currency))\nGROUP BY "+
		""+groups+" LIMIT ?", maxGroups)
}

func scanMarked(r Row, groups int) (rule string, names []string, n [2]int64, exact string, err error) {
	names = make([]string, groups)
	fields := append([]any{&rule}, pointersTo(names)...)
	err = r.Scan(append(fields, &n[0], &n[1], &exact)...)
	return rule, names, n, exact, err
}

// Table has a row for each group.
func (r FraudResult) Table() Table {
	var t Table
	for _, d := range r.GroupBy {
		t.Header = append(t.Header, string(d))
	}
	t.Header = append(t.Header, "touches", "installs", "installs_of", "share", "events", "revenue", "currency", "would_reject")
	for i := range r.Rows {
		row := &r.Rows[i]
		var cells []string
		for _, d := range r.GroupBy {
			cells = append(cells, cell(row.Names[string(d)]))
		}
		t.Rows = append(t.Rows, append(cells, strconv.FormatInt(row.Touches, 10), strconv.FormatInt(row.Installs, 10), strconv.FormatInt(row.InstallsOf, 10),
			textOf(row.Share), strconv.FormatInt(row.Events, 10), string(row.Revenue), r.Currency, strconv.FormatInt(row.WouldReject, 10)))
	}
	return t
}
