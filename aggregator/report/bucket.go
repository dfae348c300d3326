package report

import (
	"context"
	"fmt"
	"slices"
)

// Fact is a kind of rows that are counted, by its number in the tables of sums.
type Fact uint8

// The facts that have sums.
const (
	EventFact Fact = iota
	TouchFact
	ConversionFact
)

// Bucket is everything that an app stated with one hour of original times. Everything that may be the
// same message lies in one bucket.
type Bucket struct {
	Fact Fact
	Hour uint32 // since 1970
	// AsOf is the version of the sums that tell all of the bucket, 0 if no sums do: then its
	// rows are read.
	AsOf int64
}

// readBuckets reads which buckets an app has and which of them have sums. A statement is made for
// exactly these, so that sums which are replaced meanwhile are neither missed nor counted
// twice.
func readBuckets(ctx context.Context, store Store, q *Query) error {
	var s Statement
	s.add("SELECT fact, hour, if(stored > changed, stored, 0) FROM "+BucketStates+" WHERE app_id = ? LIMIT ?", q.App, maxBuckets)
	q.Buckets = nil
	err := store.Read(ctx, into(&q.Buckets, s, func(r Row, b *Bucket) error { return r.Scan((*uint8)(&b.Fact), &b.Hour, &b.AsOf) }))
	if err == nil && len(q.Buckets) >= maxBuckets {
		return fmt.Errorf("read buckets: app %s has more than %d hours with events", q.App, maxBuckets)
	}
	return err
}

// BucketStates is a table of all buckets: app_id, fact, hour, when it last changed, and as of when
// there are sums of it, 0 if there are none.
const BucketStates = `(SELECT app_id, fact, hour, max(at) AS changed, max(as_of) AS stored FROM
    (SELECT app_id, fact, hour, changed AS at, toInt64(0) AS as_of FROM changed_hours UNION ALL SELECT app_id, fact, hour, toInt64(0) AS at, as_of FROM rollup_hours)
    GROUP BY app_id, fact, hour HAVING changed > 0)`

// maxBuckets is a century of hours, for each fact.
const maxBuckets = 3 * 880_000

// summed is a statement about the facts of the range, put together from the sums of the buckets
// that have some and the rows of the others. It has the columns quarter, kind, name and currency, and n,
// paid, revenue, gross and untrusted, which are to be added up.
func (s *Statement) summed(q *Query, f Fact) *Statement {
	s.Buckets = q.Buckets
	const quarters, clean = quarter, "SELECT hour, as_of FROM buckets WHERE fact = ? AND as_of > 0"
	from, to := q.From.UnixMilli(), q.To.UnixMilli()
	first, last := -floorDiv(-from, quarters), floorDiv(to, quarters) // whole quarters of the range
	if first > last {
		first = last // and then all of it is an end
	}
	s.add("SELECT quarter, toString(kind) AS kind, name, currency, n, paid, revenue, gross, untrusted FROM rollups\n"+
		"    WHERE app_id = ? AND fact = ? AND quarter >= ? AND quarter < ? AND (hour, as_of) IN ("+clean+")", q.App, uint8(f), first, last, uint8(f)).
		sources(q).countries(q)
	s.add("\n    UNION ALL ").rowsOf(q, f).
		add("AND "+hourOf+" IN (SELECT toDateTime(hour * 3600, 'UTC') FROM buckets WHERE fact = ? AND as_of = 0) AND time >= ? AND time < ?", uint8(f), from, to)
	if first*quarters == from && last*quarters == to {
		return s
	}
	// What lies at an end of the range, in a quarter that is not wholly in it.
	return s.add("\n    UNION ALL ").rowsOf(q, f).
		add("AND "+hourOf+" IN (SELECT toDateTime(hour * 3600, 'UTC') FROM rollups WHERE app_id = ? AND fact = ? AND quarter IN (?, ?) AND (hour, as_of) IN ("+clean+"))"+
			" AND time >= ? AND time < ? AND (time < ? OR time >= ?)",
			q.App, uint8(f), floorDiv(from, quarters), last, uint8(f), from, to, first*quarters, last*quarters)
}

// hourOf is the expression by which the tables of facts are ordered.
const hourOf = "toStartOfHour(fromUnixTimestamp64Milli(original, 'UTC'))"

// rowsOf gives each fact that counts as a row of sums.
func (s *Statement) rowsOf(q *Query, f Fact) *Statement {
	const unpaid = "toUInt64(0) AS paid, toInt128(0) AS revenue, toInt128(0) AS gross, toInt128(0) AS untrusted"
	s.add("SELECT intDiv(time, ?) AS quarter, ", quarter)
	switch f {
	case EventFact:
		return s.add("'' AS kind, name, '' AS currency, toUInt64(1) AS n, "+unpaid+" FROM events FINAL\n    WHERE app_id = ?", q.App).
			sources(q).countries(q).undisputed(q).add("\n    ")
	case TouchFact:
		s.add("toString(kind) AS kind, '' AS name, '' AS currency, toUInt64(1) AS n, "+unpaid+" FROM touches FINAL\n    WHERE app_id = ?", q.App).
			sources(q)
	default:
		s.add("if(install, 'install', '') AS kind, name, if(has_revenue, currency, '') AS currency, toUInt64(1) AS n, toUInt64(has_revenue) AS paid,"+
			" if(has_revenue, toInt128(revenue), 0) AS earned, greatest(earned, 0) AS gross, if(untrusted, earned, 0) AS claimed FROM conversions FINAL\n    WHERE app_id = ?", q.App)
	}
	s.countries(q)
	if q.Disputed {
		s.add(" AND "+Counting(f), q.App, q.App, q.App)
	}
	return s.add("\n    ")
}

// Counting is the condition of a touch or a conversion whose message id was used for several
// contents to be the one that counts. It takes the app three times.
func Counting(f Fact) string {
	id := "touch_id"
	if f == ConversionFact {
		id = "conversion_id"
	}
	table := id + "s" // touch_ids, conversion_ids
	return "(" + id + " NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (" + id + ", version) IN (SELECT " + id + ", max(version) FROM " + table +
		" WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY " + id + "))"
}

// floorDiv divides and rounds down.
func floorDiv(a, b int64) int64 {
	n := a / b
	if a%b < 0 {
		n--
	}
	return n
}

// fromSums says whether a question about a fact can be answered from sums. Conversions that a
// person may see because of a source that they are credited to are told apart by their rows only.
func fromSums(q *Query, f Fact) bool {
	return !q.FromRows && len(q.Filters) == 0 && (f != ConversionFact || len(q.MediaSources) == 0) && slices.ContainsFunc(q.Buckets, func(b Bucket) bool { return b.AsOf > 0 })
}

// SumColumns are the columns of Sums.
const SumColumns = "app_id, fact, hour, as_of, quarter, kind, name, media_source, campaign, adset, ad, keyword, link_id, country, currency, n, paid, revenue, gross, untrusted"

// Sums is the statement that makes the sums of some hours of an app: the number of facts and their
// revenue, for each quarter of an hour and the fields that reports are grouped by.
func Sums(app string, f Fact, hours []uint32, asOf int64) Statement {
	const touched = "media_source, campaign, adset, ad, keyword, link_id, country"
	var s Statement
	s.add("SELECT app_id, ? AS fact, hour, ? AS as_of, quarter, kind, name, "+touched+", currency, count() AS n, sum(p) AS paid, sum(r) AS revenue, sum(greatest(r, 0)) AS gross, sum(u) AS untrusted FROM (\n"+
		"    SELECT toString(app_id) AS app_id, toUInt32(intDiv(original, 3600000)) AS hour, intDiv(time, ?) AS quarter, ", uint8(f), asOf, quarter)
	switch f {
	case EventFact:
		s.add("toString(kind) AS kind, name, " + touched + ", '' AS currency, toUInt64(0) AS p, toInt128(0) AS r, toInt128(0) AS u FROM events FINAL")
	case TouchFact:
		s.add("toString(kind) AS kind, '' AS name, " + touched + ", '' AS currency, toUInt64(0) AS p, toInt128(0) AS r, toInt128(0) AS u FROM touches FINAL")
	default:
		s.add("if(install, 'install', '') AS kind, name, '' AS media_source, '' AS campaign, '' AS adset, '' AS ad, '' AS keyword, '' AS link_id, country," +
			" if(has_revenue, currency, '') AS currency, toUInt64(has_revenue) AS p, if(has_revenue, toInt128(revenue), 0) AS r," +
			" if(has_revenue AND untrusted, toInt128(revenue), 0) AS u FROM conversions FINAL")
	}
	s.add("\n    WHERE app_id = ? AND "+hourOf+" IN (SELECT toDateTime(arrayJoin(?) * 3600, 'UTC'))", app, hours)
	if f == EventFact {
		q := Query{App: app, Disputed: true}
		s.undisputed(&q)
	} else {
		s.add(" AND "+Counting(f), app, app, app)
	}
	return *s.add(")\nGROUP BY app_id, hour, quarter, kind, name, " + touched + ", currency")
}
