package report

import (
	"slices"
	"strings"
)

// The dimensions beside those of an attribution report.
const (
	Sub1       Dimension = "sub1"
	Sub2       Dimension = "sub2"
	Sub3       Dimension = "sub3"
	Sub4       Dimension = "sub4"
	Sub5       Dimension = "sub5"
	ByLink     Dimension = "link"
	Country    Dimension = "country"
	Platform   Dimension = "platform"
	AppVersion Dimension = "app_version"
	ByDay      Dimension = "day"
	ByWeek     Dimension = "week" // begins on Monday
	ByMonth    Dimension = "month"
)

// fields are the dimensions that can be filtered by.
func fields() []Dimension {
	return []Dimension{MediaSource, Campaign, AdSet, Ad, Keyword, Sub1, Sub2, Sub3, Sub4, Sub5, ByLink, Country, Platform, AppVersion}
}

// gridDimensions are those that a grid can be grouped by.
func gridDimensions() []Dimension { return append(fields(), ByDay, ByWeek, ByMonth) }

// stream is a kind of facts as a query whose rows can be told apart by dimensions. A
// row has the columns x_id (of the event), x_at (its time in milliseconds), and one
// x_<name> for each dimension in has. A sub-publisher is an entry of the array x_sub.
type stream struct {
	base Statement
	has  []Dimension // dimensions that the rows have themselves; all of x_sub is Sub1
	made bool        // x_id is a conversion: its own row tells country and trust
	by   bool        // x_touch is a touch: its row tells sub-publishers
	sent bool        // x_id is an event: its row tells platform and version of the app
}

// knows reports whether rows of the stream can be told apart by a dimension.
func (st *stream) knows(d Dimension) bool {
	switch {
	case slices.Contains(st.has, d) || isTime(d):
		return true
	case isSub(d):
		return st.by || slices.Contains(st.has, Sub1)
	case d == Country:
		return st.made
	case d == Platform || d == AppVersion:
		return st.sent
	}
	return false
}

func isTime(d Dimension) bool { return d == ByDay || d == ByWeek || d == ByMonth }
func isSub(d Dimension) bool  { return len(d) == 4 && strings.HasPrefix(string(d), "sub") }

// expression is a dimension of a row as text.
func (q *Query) expression(d Dimension) string {
	day := "toDate(fromUnixTimestamp64Milli(x_at, '" + q.zoneName() + "'))"
	switch {
	case d == ByDay:
		return "toString(" + day + ")"
	case d == ByWeek:
		return "toString(toMonday(" + day + "))"
	case d == ByMonth:
		return "toString(toStartOfMonth(" + day + "))"
	case isSub(d):
		return "x_sub[" + string(d[3:]) + "]"
	}
	return "x_" + string(d)
}

// zoneName is the time zone of a valid query, which has no sign that ends a text.
func (q *Query) zoneName() string {
	if q.TZ == "" {
		return "UTC"
	}
	return q.TZ
}

// platformOf tells the platform of an event: by the system that the SDK states, else
// by the user agent.
const platformOf = `multiIf(lower(JSONExtractString(payload, 'context', 'os', 'name')) AS x_os IN ('ios', 'ipados', 'iphone os'), 'ios', x_os = 'android', 'android',
            positionCaseInsensitive(user_agent, 'android') > 0, 'android', match(user_agent, 'iPhone|iPad|iPod|CFNetwork'), 'ios', user_agent = '' AND x_os = '', '', 'web')`

// longestReach is how long before a conversion a touch of its path can be, with the
// longest windows there are, in milliseconds.
const longestReach = 120 * 24 * 60 * 60 * 1000

// joined adds to the rows of a stream what other tables tell of them, as far as the
// dimensions and trust are asked for, and filters them.
func (s *Statement) joined(q *Query, st *stream, asked []Dimension, trust bool) *Statement {
	for _, f := range q.filters() {
		asked = append(asked, f.Field)
	}
	wants := func(test func(Dimension) bool) bool {
		return slices.ContainsFunc(asked, func(d Dimension) bool { return test(d) && !slices.Contains(st.has, d) })
	}
	s.add("FROM (").append(st.base).add(") AS b")
	if st.made && (trust || wants(func(d Dimension) bool { return d == Country })) {
		s.add("\nLEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM " +
			"conversions FINAL ").
			within(q).add(" GROUP BY conversion_id) AS c USING x_id")
	}
	if st.by && wants(isSub) {
		s.add("\nLEFT ANY JOIN (SELECT touch_id AS x_touch, argMax(sub, version) AS x_sub FROM touches FINAL WHERE app_id = ? AND time >= ? AND time < ? "+
			"GROUP BY touch_id) AS t USING x_touch",
			q.App, q.From.UnixMilli()-longestReach, q.To.UnixMilli()+longestReach)
	}
	if st.sent && wants(func(d Dimension) bool { return d == Platform || d == AppVersion }) {
		s.add("\nLEFT ANY JOIN (SELECT event_id AS x_id, any(" + platformOf + ") AS x_platform, any(JSONExtractString(payload, 'context', 'app', " +
			"'version')) AS x_app_version FROM events FINAL ").
			within(q).add(" GROUP BY event_id) AS e USING x_id")
	}
	return s.filtered(q, st)
}

// filtered keeps the rows that the filters let through; a field that a stream cannot know has
// no value.
func (s *Statement) filtered(q *Query, st *stream) *Statement {
	word := "\nWHERE "
	for _, f := range q.filters() {
		what, not := q.expression(f.Field), ""
		if !st.knows(f.Field) {
			what = "''"
		}
		if f.Not {
			not = "NOT "
		}
		s.add(word+what+" "+not+"IN (?)", f.Values)
		word = " AND "
	}
	return s
}

func (s *Statement) append(other Statement) *Statement { return s.add(other.SQL, other.Args...) }

// touchStream are clicks, impressions and visits, with their cost.
func touchStream(q *Query) *stream {
	st := &stream{has: []Dimension{MediaSource, Campaign, AdSet, Ad, Keyword, Sub1, ByLink, Country}, sent: true}
	st.base.add("SELECT touch_id AS x_id, argMax(time, version) AS x_at, argMax(kind, version) AS x_kind, "+q.named("argMax(media_source, version)",
		"'direct'")+" AS x_media_source,\n"+
		"    argMax(campaign, version) AS x_campaign, argMax(adset, version) AS x_adset, argMax(ad, version) AS x_ad, argMax(keyword, version) AS "+
		"x_keyword, argMax(sub, version) AS x_sub,\n"+
		"    argMax(link_id, version) AS x_link, argMax(country, version) AS x_country, argMax(cost, version) AS x_cost, argMax(cost_currency, version) AS "+
		"x_currency, argMax(marks, version) AS x_marks, argMax(keys, version) AS x_keys\n"+
		"FROM touches FINAL ").within(q).decided(q, "touch").add("\nGROUP BY touch_id HAVING x_kind != 'open'")
	if q.Net {
		st.base.add(" AND x_marks = 0")
	}
	return st
}

// installStream are installs, each with its winner: organic, unattributed and sources
// are apart.
func installStream(q *Query) *stream {
	st := &stream{has: []Dimension{MediaSource, Campaign, AdSet, Ad, Keyword, ByLink}, made: true, by: true, sent: true}
	st.base.add("SELECT conversion_id AS x_id, time AS x_at, touch_id AS x_touch, if(outcome = 'unattributed', 'unattributed', " +
		q.named("media_source", "'organic'") + ") AS x_media_source,\n" +
		"    campaign AS x_campaign, adset AS x_adset, ad AS x_ad, keyword AS x_keyword, link_id AS x_link, toString(outcome) AS x_outcome, fraud_rule AS " +
		"x_fraud,\n" +
		"    candidates_kind[indexOf(candidates_verdict, 'won')] = 'impression' AS x_view, outcome NOT IN ('reinstall', 're_attribution', 're_engagement') " +
		"AS x_new\n" +
		"FROM attributions FINAL ").within(q).add(" AND install")
	if q.Net {
		st.base.add(" AND fraud_rule = ''")
	}
	return st
}

// creditStream are the shares of conversions that touches have under the models. One
// without a touch is organic.
func creditStream(q *Query, event string, models []string) *stream {
	st := &stream{has: []Dimension{MediaSource, Campaign, AdSet, Ad, Keyword, ByLink}, made: true, by: true, sent: true}
	b := &st.base
	b.add("SELECT conversion_id AS x_id, time AS x_at, has_revenue AS x_paid, if(has_revenue, currency, '') AS x_currency, " +
		"touches_media_source AS x_path, length(touches_id) AS x_steps, x_place, x_touch, " + q.named("y_source", "'direct'") +
		" AS x_media_source, x_campaign, x_adset, x_ad, x_keyword, x_link")
	for _, m := range models {
		b.add(", credit_" + m + "_of, revenue_" + m + "_of")
	}
	b.add("\nFROM (SELECT * FROM attributions FINAL ").within(q).add(" AND repeat_of = ''") // an order that is named again counts nowhere
	switch event {
	case "":
	case AnyEvent:
		b.add(" AND NOT install")
	default:
		b.add(" AND name = ?", event)
	}
	if q.Net {
		b.add(" AND fraud_rule = ''")
	}
	b.add(")\nARRAY JOIN if(empty(touches_id), [''], touches_id) AS x_touch, " + orOrganic("touches_media_source") + " AS y_source, " +
		"if(empty(touches_id), [1], arrayEnumerate(touches_id)) AS x_place")
	for _, d := range []string{"campaign", "adset", "ad", "keyword", "link"} {
		column := "touches_" + d
		if d == "link" {
			column = "touches_link_id"
		}
		b.add(", if(empty(touches_id), [''], " + column + ") AS x_" + d)
	}
	for _, m := range models {
		b.add(",\n    if(empty(touches_id), [1000000], credit_" + m + ") AS credit_" + m + "_of, if(empty(touches_id), [revenue], revenue_" + m +
			") AS revenue_" + m + "_of")
	}
	return st
}

// eventStream are messages with the fields that they state.
func eventStream(q *Query) *stream {
	st := &stream{has: fields()}
	st.base.add("SELECT event_id AS x_id, time AS x_at, " + q.named("media_source", "''") + " AS x_media_source, campaign AS x_campaign, adset AS " +
		"x_adset, ad AS x_ad,\n" +
		"    keyword AS x_keyword, sub AS x_sub, link_id AS x_link, country AS x_country, " + platformOf + " AS x_platform,\n" +
		"    JSONExtractString(payload, 'context', 'app', 'version') AS x_app_version\nFROM events FINAL ").within(q).undisputed(q)
	return st
}

// only keeps the rows of a table whose id is one of a stream that the filters of the
// question let through.
func (s *Statement) only(q *Query, id string, of func(*Query) *stream) *Statement {
	if len(q.Filters) == 0 {
		return s
	}
	return s.add("\n    AND "+id+" IN (SELECT x_id\n").joined(q, of(q), nil, false).add(")")
}

// anyCredit are all touches that have credit of anything.
func anyCredit(q *Query) *stream { return creditStream(q, "", nil) }

// reengagedStream are openings of the app that a retargeting touch led to, as far as a
// conversion lies in their window.
func reengagedStream(q *Query) *stream {
	st := &stream{has: []Dimension{MediaSource, Campaign, AdSet, Ad, Keyword, ByLink}, made: true, by: true, sent: true}
	st.base.add("SELECT argMin(conversion_id, (time, conversion_id)) AS x_id, min(retargeting_opened_at) AS x_at, any(retargeting_touch_id) AS x_touch, "+
		""+q.named("any(retargeting_media_source)", "'direct'")+" AS x_media_source,\n"+
		"    any(retargeting_campaign) AS x_campaign, any(retargeting_adset) AS x_adset, any(retargeting_ad) AS x_ad, any(retargeting_keyword) AS "+
		"x_keyword, any(retargeting_link_id) AS x_link\n"+
		"FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND retargeting_open_id != ''\nGROUP BY retargeting_open_id HAVING x_at >= ? "+
		"AND x_at < ?",
		q.App, q.From.UnixMilli(), q.To.UnixMilli()+longestReach, q.From.UnixMilli(), q.To.UnixMilli())
	return st
}

// named is a media source as people are shown it: by its alias, and where there is no
// name by another text.
func (q *Query) named(column, nameless string) string {
	shown := "if(" + column + " = '', " + nameless + ", " + column + ")"
	if len(q.Aliases) == 0 {
		return shown
	}
	from, to := make([]string, 0, len(q.Aliases)), make([]string, 0, len(q.Aliases))
	for name := range q.Aliases {
		from = append(from, name)
	}
	slices.Sort(from)
	for i, name := range from {
		from[i], to = literal(name), append(to, literal(q.Aliases[name]))
	}
	return "transform(lower(" + shown + "), [" + strings.Join(from, ", ") + "], [" + strings.Join(to, ", ") + "], " + shown + ")"
}

// literal is a text as ClickHouse reads it.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, `?`, `\x3F`).Replace(text) + "'"
}
