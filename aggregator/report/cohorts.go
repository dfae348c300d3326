package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a cohort report.
const (
	maxCohortDays = 180
	maxCohortBy   = 2
	dayMS         = 24 * 60 * 60 * 1000
)

// CohortRow follows the installs of one day, week or month. Values and Users have an entry
// for each day of age, the n-th 24 hours after each install; Values is nil where nobody was
// that old. Of the first Complete days everybody has lived all; later ones are partial.
type CohortRow struct {
	Names    []string
	Cohort   string
	Installs Decimal
	Cost     *Decimal // nil where costs cannot be told apart like this
	Values   []*Decimal
	Users    []Decimal
	Complete int
	// BreakEven is the first day of age whose revenue so far reaches the cost.
	BreakEven *int

	groupBy []Dimension
}

// MarshalJSON writes each dimension under its name.
func (r CohortRow) MarshalJSON() ([]byte, error) {
	fields := r.fields()
	fields["cohort"] = r.Cohort
	for i, d := range r.groupBy {
		fields[string(d)] = r.Names[i]
	}
	return json.Marshal(fields)
}

func (r *CohortRow) fields() map[string]any {
	return map[string]any{"installs": r.Installs, "cost": r.Cost, "values": r.Values, "users": r.Users, "complete": r.Complete, "break_even_day": r.BreakEven}
}

// cohortShape is a total, and what each row has besides its dimensions.
type cohortShape struct {
	Installs  Decimal    `json:"installs"`
	Cost      *Decimal   `json:"cost"`
	Values    []*Decimal `json:"values"`
	Users     []Decimal  `json:"users"`
	Complete  int        `json:"complete"`
	BreakEven *int       `json:"break_even_day"`
}

// Shape is an example of the row as JSON has it.
func (CohortRow) Shape() any {
	return struct {
		Cohort      string `json:"cohort"`
		MediaSource string `json:"media_source,omitempty"`
		Campaign    string `json:"campaign,omitempty"`
		AdSet       string `json:"adset,omitempty"`
		Ad          string `json:"ad,omitempty"`
		Keyword     string `json:"keyword,omitempty"`
		Link        string `json:"link,omitempty"`
		Country     string `json:"country,omitempty"`
		Platform    string `json:"platform,omitempty"`
		AppVersion  string `json:"app_version,omitempty"`
		cohortShape
	}{}
}

// CohortsResult is retention, revenue or events of cohorts by age.
type CohortsResult struct {
	Metric      string      `json:"metric"`
	Cohort      string      `json:"cohort"`
	GroupBy     []Dimension `json:"group_by"`
	Event       string      `json:"event"`
	Activity    string      `json:"activity"`
	Currency    string      `json:"currency"`
	Days        []int       `json:"days"`
	Rows        []CohortRow `json:"rows"`
	Total       cohortShape `json:"total"`
	Unconverted []Money     `json:"unconverted"`
}

// cohortQuestion is the question of a cohort report.
type cohortQuestion struct {
	Query
	metric, event, activity string
	days                    int
	by                      Dimension
}

func cohortsOf(q *Query) (cohortQuestion, error) {
	c := cohortQuestion{Query: *q, metric: cmp.Or(q.Given.Get("metric"), "retention"), event: cmp.Or(q.Given.Get("event"), AnyEvent),
		activity: cmp.Or(q.Given.Get("activity"), "any"), by: Dimension(cmp.Or(q.Given.Get("cohort"), "day")), days: 30}
	if text := q.Given.Get("days"); text != "" {
		var err error
		if c.days, err = strconv.Atoi(text); err != nil || c.days < 0 || c.days > maxCohortDays {
			return c, invalid("days must be 0 to %d", maxCohortDays)
		}
	}
	if q.Given.Get("group_by") == "" {
		c.GroupBy = nil
	}
	switch {
	case !slices.Contains([]string{"retention", "revenue", "ltv", "roas", "events"}, c.metric):
		return c, invalid("metric must be retention, revenue, ltv, roas or events")
	case !isTime(c.by):
		return c, invalid("cohort must be day, week or month")
	case len(c.GroupBy) > maxCohortBy || slices.ContainsFunc(c.GroupBy, isTime):
		return c, invalid("group_by must be at most %d dimensions here, and no time", maxCohortBy)
	case len(c.event) > maxName || len(c.activity) > maxName:
		return c, invalid("event and activity must not be longer than %d bytes", maxName)
	}
	c.GroupBy = append([]Dimension{c.by}, c.GroupBy...)
	return c, nil
}

// cohort holds the sums of a row.
type cohort struct {
	names       []string
	installs    int64
	first, last int64
	users       []int64
	sums        []*big.Int // exact money, or events in units
	cost        *big.Int   // exact
}

// Cohorts follows new installs by age.
func Cohorts(ctx context.Context, store Store, q Query) (CohortsResult, error) {
	c, err := cohortsOf(&q)
	if err != nil {
		return CohortsResult{}, err
	}
	found := make(map[string]*cohort)
	result := CohortsResult{Metric: c.metric, Cohort: string(c.by), GroupBy: c.GroupBy[1:], Event: c.event, Activity: c.activity, Currency: q.Currency,
		Rows: []CohortRow{}}
	for day := range c.days + 1 {
		result.Days = append(result.Days, day)
	}
	var unconverted amounts
	parts := []Part{{c.sizes(), func(r Row) error { return c.size(r, found) }}}
	if err := store.Read(ctx, parts...); err != nil {
		return result, fmt.Errorf("read cohorts: %w", err)
	}
	if c.metric == "retention" {
		parts = []Part{{c.active(), func(r Row) error { return c.add(r, found, nil) }}}
	} else {
		parts = []Part{{c.earned(), func(r Row) error { return c.add(r, found, &unconverted) }}}
	}
	costs := make([][]sumRow, len(costsOf(&c.Query)))
	for i, m := range costsOf(&c.Query) {
		parts = append(parts, into(&costs[i], m.statement(&c.Query), func(r Row, row *sumRow) error { return row.scan(r, len(c.GroupBy), 0, 1) }))
	}
	if err := store.Read(ctx, parts...); err != nil {
		return result, fmt.Errorf("read cohorts: %w", err)
	}
	if err := spend(found, slices.Concat(costs...)); err != nil {
		return result, err
	}
	result.Unconverted = unconverted.unconverted()
	c.put(&result, found)
	return result, nil
}

// Retention is the cohort report of who came back.
func Retention(ctx context.Context, store Store, q Query) (CohortsResult, error) {
	given := make(map[string][]string, len(q.Given)+1)
	for name, values := range q.Given {
		given[name] = values
	}
	given["metric"] = []string{"retention"}
	q.Given = given
	return Cohorts(ctx, store, q)
}

// installs selects the new installs with their cohort and group as g0, g1, ….
func (c *cohortQuestion) installs() Statement {
	var s Statement
	s.add("SELECT x_id, x_at")
	for i, d := range c.GroupBy {
		s.add(", " + c.expression(d) + fmt.Sprintf(" AS g%d", i))
	}
	s.add(", x_new AS fresh\n").joined(&c.Query, installStream(&c.Query), c.GroupBy, false)
	inner := s
	s = Statement{}
	return *s.add("SELECT * FROM (").append(inner).add(") WHERE fresh")
}

func (c *cohortQuestion) groups() string {
	list := make([]string, len(c.GroupBy))
	for i := range list {
		list[i] = fmt.Sprintf("g%d", i)
	}
	return strings.Join(list, ", ")
}

func (c *cohortQuestion) sizes() Statement {
	var s Statement
	return *s.add("SELECT "+c.groups()+", toInt64(count()), min(x_at), max(x_at) FROM (").append(c.installs()).
		add(")\nGROUP BY "+c.groups()+" LIMIT ?", maxGroups)
}

// earned answers with group, age in days, installs that did something, currency, events,
// and money as a summing has it.
func (c *cohortQuestion) earned() Statement {
	var s Statement
	s.Converts, s.Rates = true, c.Rates
	s.add("SELECT "+c.groups()+", age, toString(uniqExact(id)), y_currency, toString(sum(n)), toString(sum(toInt256(m) * if(currency = ?, "+
		"toInt256('1000000000000000000'), toInt256(rate)))), toString(sumIf(m, currency != ? AND rate = 0))\n"+
		"FROM (SELECT *, currency AS y_currency FROM (SELECT "+c.groups()+", intDiv(made - x_at, 86400000) AS age, c.x_id AS id, paid AS currency,\n"+
		"    toInt32(intDiv(made, 86400000)) AS day, count() AS n, sum(toInt128(earned)) AS m\nFROM (", c.Currency, c.Currency).append(c.installs()).
		add(") AS c\nINNER JOIN (SELECT install_id AS x_id, time AS made, revenue AS earned, if(has_revenue, currency, '') AS paid FROM attributions FINAL\n"+
			"    WHERE app_id = ? AND time >= ? AND time < ? AND install_id != '' AND NOT install", c.App, c.From.UnixMilli(), c.To.UnixMilli()+int64(c.days+1)*dayMS)
	if c.event != AnyEvent {
		s.add(" AND name = ?", c.event)
	}
	s.add(") AS a USING x_id\nWHERE made >= x_at AND age <= ?\nGROUP BY "+c.groups()+", age, id, currency, day) AS summed\nLEFT ANY JOIN day_rates USING "+
		"(day, currency))\n", c.days)
	return *s.add("GROUP BY "+c.groups()+", age, y_currency LIMIT ?", maxQuarters)
}

// active answers as earned does, by any message of the person or by one event. A person is
// found by the keys of the install and those that an identity link joins with one of them.
func (c *cohortQuestion) active() Statement {
	var s Statement
	end := c.To.UnixMilli() + int64(c.days+1)*dayMS
	s.add("WITH installs AS (").append(c.installs()).add("),\nown AS (SELECT conversion_id AS x_id, arrayJoin(keys) AS key FROM conversions FINAL " +
		"").within(&c.Query).
		add(" AND install AND conversion_id IN (SELECT x_id FROM installs)),\n" +
			"person AS (SELECT DISTINCT x_id, key FROM (SELECT x_id, key FROM own UNION ALL SELECT o.x_id AS x_id, l.b AS key FROM own AS o\n")
	s.add("    INNER JOIN (SELECT a, b FROM identity_links WHERE app_id = ? AND a_hash IN (SELECT cityHash64(key) FROM own)) AS l ON l.a = o.key)\n"+
		"    WHERE NOT startsWith(key, 'click:'))\n"+
		"SELECT "+c.groups()+", age, toString(uniqExact(id)), '', '0', '0', '0' FROM (SELECT "+c.groups()+", intDiv(e.time - i.x_at, 86400000) AS age, "+
		"i.x_id AS id\n"+
		"FROM installs AS i INNER JOIN person AS p ON p.x_id = i.x_id\n"+
		"INNER JOIN (SELECT arrayJoin(["+keysOfEvent+"]) AS key, time FROM events WHERE app_id = ? AND time >= ? AND time < ?", c.App, c.App,
		c.From.UnixMilli(), end)
	if c.activity != "any" {
		s.add(" AND name = ?", c.activity)
	}
	return *s.add(") AS e ON e.key = p.key\nWHERE e.time >= i.x_at AND age <= ?)\nGROUP BY "+c.groups()+", age LIMIT ?", c.days, maxQuarters)
}

// keysOfEvent are the match keys of the ids of an event, as package attribution makes them.
const keysOfEvent = "concat('user:', trimBoth(user_id)), concat('anon:', trimBoth(anonymous_id)), concat('device:', trimBoth(device_id)), " +
	"concat('gaid:', lower(trimBoth(gaid))), concat('idfa:', lower(trimBoth(idfa))), concat('idfv:', lower(trimBoth(idfv))), concat('oaid:', " +
	"lower(trimBoth(oaid)))"

func (c *cohortQuestion) size(r Row, found map[string]*cohort) error {
	one := &cohort{names: make([]string, len(c.GroupBy)), users: make([]int64, c.days+1), sums: make([]*big.Int, c.days+1), cost: new(big.Int)}
	for i := range one.sums {
		one.sums[i] = new(big.Int)
	}
	err := r.Scan(append(pointersTo(one.names), &one.installs, &one.first, &one.last)...)
	found[strings.Join(one.names, "\x00")] = one
	return err
}

func pointersTo(list []string) []any {
	all := make([]any, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}

func (c *cohortQuestion) add(r Row, found map[string]*cohort, unconverted *amounts) error {
	names := make([]string, len(c.GroupBy))
	var age int64
	var users, currency, n, exact, unknown string
	if err := r.Scan(append(pointersTo(names), &age, &users, &currency, &n, &exact, &unknown)...); err != nil {
		return err
	}
	one := found[strings.Join(names, "\x00")]
	if one == nil || age < 0 || age > int64(c.days) {
		return nil // installed meanwhile
	}
	count, err := strconv.ParseInt(users, 10, 64)
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	one.users[age] = max(one.users[age], count) // of several currencies those of the most
	text := exact
	if c.metric == "events" {
		text = n
	}
	sum, err := integer(text)
	if err != nil {
		return err
	}
	one.sums[age].Add(one.sums[age], sum)
	if unconverted != nil {
		a, err := amountOf(currency, "0", "0", unknown)
		if err != nil {
			return err
		}
		unconverted.add(a)
	}
	return nil
}

func spend(found map[string]*cohort, costs []sumRow) error {
	for _, row := range costs {
		n, err := integer(row.exact[0])
		if err != nil {
			return err
		}
		if one := found[strings.Join(row.names, "\x00")]; one != nil {
			one.cost.Add(one.cost, n)
		}
	}
	return nil
}

// put makes the rows, the latest cohort first, and the total of all of them.
func (c *cohortQuestion) put(result *CohortsResult, found map[string]*cohort) {
	total := &cohort{users: make([]int64, c.days+1), sums: make([]*big.Int, c.days+1), cost: new(big.Int)}
	for i := range total.sums {
		total.sums[i] = new(big.Int)
	}
	for _, one := range found {
		total.installs += one.installs
		total.cost.Add(total.cost, one.cost)
		if total.first == 0 || one.first < total.first {
			total.first = one.first
		}
		total.last = max(total.last, one.last)
		for i := range one.users {
			total.users[i] += one.users[i]
			total.sums[i].Add(total.sums[i], one.sums[i])
		}
		row := c.row(one)
		row.Cohort, row.Names, row.groupBy = one.names[0], one.names[1:], c.GroupBy[1:]
		result.Rows = append(result.Rows, row)
	}
	slices.SortFunc(result.Rows, func(a, b CohortRow) int {
		return cmp.Or(strings.Compare(b.Cohort, a.Cohort), slices.Compare(a.Names, b.Names))
	})
	all := c.row(total)
	result.Total = cohortShape{all.Installs, all.Cost, all.Values, all.Users, all.Complete, all.BreakEven}
}

// row works the values of a cohort out.
func (c *cohortQuestion) row(one *cohort) CohortRow {
	row := CohortRow{Installs: Decimal(strconv.FormatInt(one.installs, 10)), Values: make([]*Decimal, c.days+1), Users: make([]Decimal, c.days+1)}
	now, size := c.Now.UnixMilli(), new(big.Int).SetInt64(one.installs)
	for row.Complete <= c.days && one.installs > 0 && one.last+int64(row.Complete+1)*dayMS <= now {
		row.Complete++
	}
	if c.knowsCost() {
		cost := millionths(roundAway(one.cost, rateUnit()))
		row.Cost = &cost
	}
	sofar := new(big.Int)
	for day := range c.days + 1 {
		row.Users[day] = Decimal(strconv.FormatInt(one.users[day], 10))
		if sofar.Add(sofar, one.sums[day]); row.Cost != nil && row.BreakEven == nil && one.cost.Sign() > 0 && c.metric != "events" &&
			c.metric != "retention" && sofar.Cmp(one.cost) >= 0 {
			row.BreakEven = new(int)
			*row.BreakEven = day
		}
		if one.first+int64(day)*dayMS > now {
			continue // nobody is that old
		}
		switch c.metric {
		case "retention":
			row.Values[day] = ratio(new(big.Int).Mul(big.NewInt(one.users[day]), million()), size)
		case "events":
			row.Values[day] = ratio(new(big.Int).Mul(one.sums[day], million()), size)
		case "revenue":
			row.Values[day] = ratio(one.sums[day], new(big.Int).Mul(size, rateUnit()))
		case "ltv":
			row.Values[day] = ratio(sofar, new(big.Int).Mul(size, rateUnit()))
		case "roas":
			if row.Cost != nil {
				row.Values[day] = ratio(new(big.Int).Mul(sofar, million()), one.cost)
			}
		}
	}
	return row
}

// Table has a row for each cohort and a column for each day of age.
func (r CohortsResult) Table() Table {
	t := Table{Header: []string{"cohort"}}
	for _, d := range r.GroupBy {
		t.Header = append(t.Header, string(d))
	}
	t.Header = append(t.Header, "installs", "cost", "complete_days")
	for _, day := range r.Days {
		t.Header = append(t.Header, r.Metric+"_"+strconv.Itoa(day))
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		cells := []string{row.Cohort}
		for _, name := range row.Names {
			cells = append(cells, cell(name))
		}
		cells = append(cells, string(row.Installs), textOf(row.Cost), strconv.Itoa(row.Complete))
		for _, v := range row.Values {
			cells = append(cells, textOf(v))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func textOf(d *Decimal) string {
	if d == nil {
		return ""
	}
	return string(*d)
}
