package report

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a funnel.
const (
	minSteps        = 2
	maxSteps        = 8
	minFunnelWindow = time.Minute
	maxFunnelWindow = 90 * 24 * time.Hour
)

// FunnelStep counts the people who came so far. Share is of the first step; Dropped did not
// take the next one.
type FunnelStep struct {
	Event   string   `json:"event"`
	People  Decimal  `json:"people"`
	Share   *Decimal `json:"share"`
	OfLast  *Decimal `json:"of_previous"`
	Dropped Decimal  `json:"dropped"`
}

// FunnelRow is the funnel of one group of people.
type FunnelRow struct {
	Name  string       `json:"name"`
	Steps []FunnelStep `json:"steps"`
}

// FunnelResult tells how far people came through steps, each after the one before and all
// within a window from the first. A group is by the country, platform or version of the first
// step, or by the last touch before it.
type FunnelResult struct {
	Steps    []string    `json:"steps"`
	WindowMS int64       `json:"window_ms"`
	GroupBy  []Dimension `json:"group_by"`
	Rows     []FunnelRow `json:"rows"`
	Total    FunnelRow   `json:"total"`
}

type funnel struct {
	Query
	steps  []string
	window time.Duration
}

func funnelOf(q *Query) (funnel, error) {
	f := funnel{Query: *q, steps: q.Given["step"], window: 7 * 24 * time.Hour}
	if text := q.Given.Get("window"); text != "" {
		var err error
		if f.window, err = readWindow(text); err != nil {
			return f, err
		}
	}
	if q.Given.Get("group_by") == "" {
		f.GroupBy = nil
	}
	switch {
	case len(f.steps) < minSteps || len(f.steps) > maxSteps:
		return f, invalid("give %d to %d steps, each as a parameter step with the name of an event, or page:name", minSteps, maxSteps)
	case slices.ContainsFunc(f.steps, func(s string) bool { return s == "" || len(s) > maxName }):
		return f, invalid("a step must have a name of at most %d bytes", maxName)
	case len(f.GroupBy) > 1 || len(f.GroupBy) == 1 && isTime(f.GroupBy[0]):
		return f, invalid("group_by must be one dimension here, and no time")
	}
	return f, nil
}

// readWindow reads a number of minutes, hours or days, such as 30m, 12h or 7d.
func readWindow(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	n, err := strconv.Atoi(text[:len(text)-1])
	window := time.Duration(n) * units[text[len(text)-1]]
	if err != nil || n < 1 || n > 200_000 || window < minFunnelWindow || window > maxFunnelWindow {
		return 0, invalid("window must be between 1m and 90d, such as 30m, 12h or 7d")
	}
	return window, nil
}

// Funnel counts how far people came.
func Funnel(ctx context.Context, store Store, q Query) (FunnelResult, error) {
	f, err := funnelOf(&q)
	if err != nil {
		return FunnelResult{}, err
	}
	result := FunnelResult{Steps: f.steps, WindowMS: f.window.Milliseconds(), GroupBy: append([]Dimension{}, f.GroupBy...), Rows: []FunnelRow{}}
	reached := make(map[string][]int64) // people by how many steps they took
	total := make([]int64, len(f.steps)+1)
	err = store.Read(ctx, Part{f.statement(), func(r Row) error {
		var name string
		var level, n int64
		if err := r.Scan(&name, &level, &n); err != nil {
			return err
		}
		if reached[name] == nil {
			reached[name] = make([]int64, len(f.steps)+1)
		}
		reached[name][level] += n
		total[level] += n
		return nil
	}})
	if err != nil {
		return result, fmt.Errorf("read funnel: %w", err)
	}
	for name, levels := range reached {
		if len(f.GroupBy) > 0 && levels[0] < sum(levels) {
			result.Rows = append(result.Rows, FunnelRow{name, f.counted(levels)})
		}
	}
	slices.SortFunc(result.Rows, func(a, b FunnelRow) int {
		return cmp.Or(number(b.Steps[0].People).Cmp(number(a.Steps[0].People)), cmp.Compare(a.Name, b.Name))
	})
	result.Total = FunnelRow{"", f.counted(total)}
	return result, nil
}

func sum(list []int64) (n int64) {
	for _, m := range list {
		n += m
	}
	return n
}

func (f *funnel) counted(levels []int64) []FunnelStep {
	steps := make([]FunnelStep, len(f.steps))
	first, before := sum(levels[1:]), int64(0)
	for i, event := range f.steps {
		people := sum(levels[i+1:])
		next := int64(0)
		if i+1 < len(f.steps) {
			next = people - sum(levels[i+2:])
		}
		steps[i] = FunnelStep{Event: event, People: whole64(people), Share: part(people, first), Dropped: whole64(next)}
		if i > 0 {
			steps[i].OfLast = part(people, before)
		}
		before = people
	}
	return steps
}

func whole64(n int64) Decimal { return Decimal(strconv.FormatInt(n, 10)) }

func part(n, of int64) *Decimal {
	return ratio(new(big.Int).Mul(big.NewInt(n), million()), big.NewInt(of))
}

// personOf is who sent an event: the user, the user that an identity link gives to its first
// other id, or that id.
const personOf = "if(user_id != '', concat('user:', user_id), if(u.user != '', u.user, x_key))"

// firstKey is the first other id of an event as a match key.
const firstKey = "multiIf(anonymous_id != '', concat('anon:', anonymous_id), device_id != '', concat('device:', device_id), gaid != '', " +
	"concat('gaid:', lower(gaid)), " +
	"idfa != '', concat('idfa:', lower(idfa)), idfv != '', concat('idfv:', lower(idfv)), oaid != '', concat('oaid:', lower(oaid)), '')"

// users gives each key the least user that an identity link joins with it.
const users = "(SELECT a AS x_key, min(b) AS user FROM identity_links WHERE app_id = ? AND startsWith(b, 'user:') GROUP BY a)"

// statement answers with a group, a number of steps, and how many people took so many.
func (f *funnel) statement() Statement {
	asked := slices.Clone(f.GroupBy)
	for _, filter := range f.filters() {
		asked = append(asked, filter.Field)
	}
	asked = slices.Compact(slices.Sorted(slices.Values(asked)))
	var s Statement
	group := "''"
	if len(f.GroupBy) > 0 {
		group = "v_" + string(f.GroupBy[0])
	}
	s.add("SELECT " + group + " AS g, toInt64(level), toInt64(count()) FROM (").append(f.people(asked)).add(")\nWHERE level > 0")
	for _, filter := range f.filters() {
		not := ""
		if filter.Not {
			not = "NOT "
		}
		s.add(" AND v_"+string(filter.Field)+" "+not+"IN (?)", filter.Values)
	}
	return *s.add("\nGROUP BY g, level LIMIT ?", maxGroups)
}

// people selects everybody who took a step, with the level that they reached and the dimensions
// that they are grouped and filtered by as v_<dimension>.
func (f *funnel) people(asked []Dimension) Statement {
	var s, steps Statement
	var names []string
	own := ""
	for _, d := range asked {
		if !touched(d) {
			own += ", argMin(" + f.expression(d) + ", x_at) AS v_" + string(d)
		}
	}
	steps.add(fmt.Sprintf("SELECT person, windowFunnel(%d)(toUInt64(x_at)", f.window.Milliseconds()))
	for _, step := range f.steps {
		name, page := strings.CutPrefix(step, "page:")
		kinds := "'track'"
		if page {
			kinds = "'page', 'screen'"
		}
		steps.add(", x_name = ? AND x_kind IN ("+kinds+")", name)
		names = append(names, name)
	}
	steps.add(") AS level"+own+", min(x_at) AS began\nFROM (SELECT *, "+personOf+" AS person FROM (SELECT event_id AS x_id, time AS x_at, kind AS "+
		"x_kind, name AS x_name, "+
		"user_id, "+firstKey+" AS x_key,\n    country AS x_country, "+platformOf+" AS x_platform, JSONExtractString(payload, 'context', 'app', 'version') "+
		"AS x_app_version\n"+
		"FROM events FINAL ").within(&f.Query).undisputed(&f.Query).
		add(" AND name IN (?)) AS ev LEFT ANY JOIN "+users+" AS u USING x_key)\nWHERE person != ''\nGROUP BY person", names, f.App)
	list := slices.DeleteFunc(slices.Clone(asked), func(d Dimension) bool { return !touched(d) })
	if len(list) == 0 {
		return steps
	}
	s.add("SELECT *")
	for _, d := range list {
		missing := "''"
		if d == MediaSource {
			missing = "'organic'"
		}
		s.add(", if(touched_at = 0, " + missing + ", w_" + string(d) + ") AS v_" + string(d))
	}
	s.add("\nFROM (").append(steps).add(") AS people\nASOF LEFT JOIN (").append(f.touches(list)).add(") AS last ON last.person = people.person AND " +
		"last.touched_at <= people.began")
	return s
}

// touched says whether a dimension is that of a touch, and not of the event itself.
func touched(d Dimension) bool { return d != Country && d != Platform && d != AppVersion }

// touches selects the touches of people, with the dimensions as w_<dimension>.
func (f *funnel) touches(list []Dimension) Statement {
	var s Statement
	before := f.Query
	before.From, before.MediaSources, before.Countries, before.Filters = f.From.Add(-30*24*time.Hour), nil, nil, nil
	s.add("SELECT if(u.user != '', u.user, t.x_key) AS person, x_at AS touched_at")
	for _, d := range list {
		s.add(", " + f.expression(d) + " AS w_" + string(d))
	}
	return *s.add(" FROM (SELECT *, arrayJoin(x_keys) AS x_key FROM (").append(touchStream(&before).base).
		add(") WHERE x_kind != 'impression') AS t LEFT ANY JOIN "+users+" AS u USING x_key", f.App)
}

// Table has a row for each group and step.
func (r FunnelResult) Table() Table {
	t := Table{Header: []string{"group", "step", "event", "people", "share", "dropped"}}
	for _, row := range append(slices.Clone(r.Rows), r.Total) {
		for i, s := range row.Steps {
			t.Rows = append(t.Rows, []string{cell(cmp.Or(row.Name, "all")), strconv.Itoa(i + 1), cell(s.Event), string(s.People), textOf(s.Share), string(s.Dropped)})
		}
	}
	return t
}
