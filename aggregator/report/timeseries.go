package report

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// quarter is the width, in milliseconds, that SQL sums over: every time zone's
// days and hours begin at a quarter of an hour. Buckets are put together from
// quarters here, where daylight saving time is known, and filled with zeros.
const quarter = 15 * 60 * 1000

// Timeseries counts or sums per interval of the time zone of a valid query.
func Timeseries(ctx context.Context, store Store, q Query) (TimeseriesResult, error) {
	if err := q.settle(ctx, store); err != nil {
		return TimeseriesResult{}, fmt.Errorf("read time series: %w", err)
	}
	var sums []QuarterSum
	err := store.Read(ctx, into(&sums, timeseriesSQL(&q), func(r Row, s *QuarterSum) error {
		return r.Scan(&s.Quarter, &s.Currency, &s.Sum, &s.Exact, &s.Unknown)
	}))
	if err != nil {
		return TimeseriesResult{}, fmt.Errorf("read time series: %w", err)
	}
	return q.timeseriesOf(sums)
}

// timeseries answers with quarter, currency ("" for counts) and a value as text.
func timeseriesSQL(q *Query) Statement {
	if q.Metric != Installs && fromSums(q, q.Metric.fact()) { // new installs are told by their attributions
		return timeseriesOfSums(q)
	}
	var s Statement
	count := func(table, id string) *Statement {
		s.add("SELECT intDiv(at, ?) AS quarter, '' AS currency, toString(count()), '0', '0' FROM (\n    SELECT argMax(time, version) AS at", quarter)
		if q.Metric == Clicks || q.Metric == Impressions {
			s.add(", argMax(kind, version) AS kind_of")
		}
		s.add(" FROM " + table + " FINAL\n    ").within(q)
		if table == "conversions" {
			return s.countries(q).creditedTo(q).decided(q, "conversion").add("\n    GROUP BY conversion_id")
		}
		s.sources(q).countries(q)
		if table == "touches" {
			s.decided(q, "touch").only(q, id, touchStream)
		} else {
			s.undisputed(q).only(q, id, eventStream)
		}
		return s.add("\n    GROUP BY " + id)
	}
	switch q.Metric {
	case Clicks:
		count("touches", "touch_id").add(" HAVING kind_of = 'click')")
	case Impressions:
		count("touches", "touch_id").add(" HAVING kind_of = 'impression')")
	case Installs:
		s.add("SELECT intDiv(x_at, ?) AS quarter, '' AS currency, toString(countIf(x_new)), '0', '0'\n", quarter).joined(q, installStream(q), nil, false)
	case Conversions:
		count("conversions", "conversion_id").add(")")
	case Revenue:
		s.add("SELECT quarter, currency, toString(sum(amount))").exact(q, "amount").
			add("\nFROM (SELECT intDiv(at, ?) AS quarter, currency, "+q.day("at")+", sum(toInt128(revenue)) AS amount FROM (\n"+
				"    SELECT argMax(time, version) AS at, argMax(currency, version) AS currency, argMax(revenue, version) AS revenue,\n"+
				"        argMax(has_revenue, version) AS paid FROM conversions FINAL\n    ", quarter).
			within(q).countries(q).creditedTo(q).decided(q, "conversion").add("\n    GROUP BY conversion_id HAVING paid)\n    GROUP BY quarter, currency, " +
			"day)").rates(q)
	default:
		count("events", "event_id").add(")")
	}
	s.add("\nGROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?", maxQuarters)
	return s
}

// fact is the kind of rows that a metric counts.
func (m Metric) fact() Fact {
	switch m {
	case Clicks, Impressions:
		return TouchFact
	case Conversions, Revenue:
		return ConversionFact
	}
	return EventFact
}

// timeseriesOfSums is the same where there are sums.
func timeseriesOfSums(q *Query) Statement {
	var s Statement
	if q.Metric == Revenue {
		s.add("SELECT quarter, currency, toString(sum(amount))").exact(q, "amount").
			add("\nFROM (SELECT quarter, currency, "+q.day("quarter * 900000")+", sum(revenue) AS amount FROM (").summed(q, ConversionFact).
			add(")\n    WHERE paid > 0 GROUP BY quarter, currency, day)").rates(q).add("\nGROUP BY quarter, currency")
	} else {
		s.add("SELECT quarter, '' AS currency, toString(sum(n)), '0', '0' FROM (").summed(q, q.Metric.fact()).add(")")
		switch q.Metric {
		case Clicks:
			s.add("\nWHERE kind = 'click'")
		case Impressions:
			s.add("\nWHERE kind = 'impression'")
		}
		s.add("\nGROUP BY quarter")
	}
	return *s.add(" ORDER BY quarter, currency LIMIT ?", maxQuarters)
}

// maxQuarters is how many rows a statement of a time series may answer with.
const maxQuarters = 1_000_000

// QuarterSum is a row of a time series' statement.
type QuarterSum struct {
	Quarter  int64
	Currency string
	Sum      string
	Exact    string // as in CreditSum
	Unknown  string
}

// timeseriesOf puts the points together.
func (q *Query) timeseriesOf(sums []QuarterSum) (TimeseriesResult, error) {
	result := TimeseriesResult{Metric: q.Metric, Interval: q.Interval}
	if len(sums) >= maxQuarters {
		return result, invalid("the range has too many currencies and times: ask for a shorter one")
	}
	zone, err := q.location()
	if err != nil {
		return result, err
	}
	starts := q.buckets(zone)
	if len(starts) > MaxPoints {
		return result, invalid("the range has more than %d points: ask for a wider interval", MaxPoints)
	}
	if q.Metric == Revenue {
		seen := make(map[string]int64)
		for _, s := range sums {
			seen[s.Currency]++
		}
		result.Currency = q.pickCurrency(seen)
	}
	converts := q.Metric == Revenue && q.Currency != ""
	totals := make([]big.Int, len(starts))
	var all amounts
	for _, s := range sums {
		if !converts && s.Currency != result.Currency {
			continue
		}
		a, err := amountOf(s.Currency, s.Sum, s.Exact, s.Unknown)
		if err != nil {
			return result, err
		}
		n := a.revenue
		if converts {
			n = a.exact
			all.add(a)
		}
		at := s.Quarter * quarter
		i, found := slices.BinarySearchFunc(starts, at, func(t time.Time, ms int64) int { return int(min(max(t.UnixMilli()-ms, -1), 1)) })
		if !found {
			i--
		}
		totals[max(i, 0)].Add(&totals[max(i, 0)], n)
	}
	result.Points = make([]Point, len(starts))
	for i, t := range starts {
		value := Decimal(totals[i].String())
		switch {
		case converts:
			value = millionths(roundAway(&totals[i], rateUnit()))
		case q.Metric == Revenue:
			value = millionths(&totals[i])
		}
		result.Points[i] = Point{t.UTC(), value}
	}
	result.Unconverted = all.unconverted()
	return result, nil
}

// buckets are the beginnings of all buckets that the range touches, at most one
// more than MaxPoints.
func (q *Query) buckets(zone *time.Location) []time.Time {
	var starts []time.Time
	for t := floor(q.From, q.Interval, zone); t.Before(q.To) && len(starts) <= MaxPoints; {
		starts = append(starts, t)
		t = following(t, q.Interval, zone)
	}
	return starts
}

// floor is the beginning of the bucket that t is in.
func floor(t time.Time, interval Interval, zone *time.Location) time.Time {
	t = t.In(zone)
	switch interval {
	case Hour:
		_, offset := t.Zone()
		local := t.Add(time.Duration(offset) * time.Second)
		return t.Add(local.UTC().Truncate(time.Hour).Sub(local.UTC()))
	case Week:
		back := (int(t.Weekday()) + 6) % 7
		return DayStart(t.Year(), t.Month(), t.Day()-back, zone)
	}
	return DayStart(t.Year(), t.Month(), t.Day(), zone)
}

// following is the beginning of the next bucket.
func following(t time.Time, interval Interval, zone *time.Location) time.Time {
	t = t.In(zone)
	days := 1
	switch interval {
	case Hour:
		return t.Add(time.Hour)
	case Week:
		days = 7
	}
	return DayStart(t.Year(), t.Month(), t.Day()+days, zone)
}

// DayStart is the first instant of a day of a zone: midnight, or, where clocks skip that,
// the instant after the gap; of two midnights the first. A day that a zone has left out begins
// with the next one.
func DayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, zone)
	want := time.Date(year, month, day, 0, 0, 0, 0, time.UTC) // normalised
	if date := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC); date.Before(want) {
		_, t = t.ZoneBounds() // the clock is put forward over midnight
		return t.In(zone)
	}
	start, _ := t.ZoneBounds()
	if start.IsZero() {
		return t
	}
	before := start.Add(-time.Nanosecond).In(zone)
	if before.Day() != want.Day() || t.Sub(start) > 24*time.Hour {
		return t
	}
	_, offset := before.Zone() // the clock was put back on this day, perhaps over midnight
	if first := want.Add(-time.Duration(offset) * time.Second); first.Before(start) && first.Before(t) {
		return first.In(zone)
	}
	return t
}

// pickCurrency chooses the currency of a report from those in range and how
// frequent each is.
func (q *Query) pickCurrency(frequency map[string]int64) string {
	if q.Currency != "" {
		return q.Currency
	}
	if _, ok := frequency[q.AppCurrency]; ok || len(frequency) == 0 {
		return q.AppCurrency
	}
	best := ""
	for currency, n := range frequency {
		if m, ok := frequency[best]; !ok || n > m || n == m && currency < best {
			best = currency
		}
	}
	return best
}
