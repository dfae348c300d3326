package report

import (
	"context"
	"fmt"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// maxPeopleKeys bounds the keys that converted in a range, and the links of an app,
// of which each takes about 30 bytes while journeys are put together.
const maxPeopleKeys = 10_000_000

// LostJourneys returns the paths of those who met a channel in the range of a valid
// query and made no conversion in it. Impressions are on them if asked for.
func LostJourneys(ctx context.Context, store Store, q Query, impressions bool) ([]attribution.Journey, error) {
	people := NewPeople()
	bounded := func(what string, do func(Row) error) func(Row) error {
		n := 0
		return func(r Row) error {
			if n++; n > maxPeopleKeys {
				return invalid("there are more than %d %s: ask for a shorter range", maxPeopleKeys, what)
			}
			return do(r)
		}
	}
	sql := lostStatements(&q, impressions)
	for _, part := range []Part{
		{sql.Converted, bounded("keys of people who converted", func(r Row) error {
			var key uint64
			err := r.Scan(&key)
			people.Converted(key)
			return err
		})},
		{sql.Links, bounded("identity links", func(r Row) error {
			var a, b uint64
			err := r.Scan(&a, &b)
			people.Link(a, b)
			return err
		})},
		{sql.Touches, func(r Row) error {
			var channel string
			var keys []uint64
			if err := r.Scan(&channel, &keys); err != nil {
				return err
			}
			return people.Touch(channel, keys)
		}},
	} {
		if err := store.Read(ctx, part); err != nil {
			return nil, fmt.Errorf("read journeys without a conversion: %w", err)
		}
	}
	lost, _ := people.Lost()
	return lost, nil
}

// lostSQL are the statements from which the journeys without a conversion are put
// together; see People.
type lostSQL struct {
	Converted Statement // hash of a key of whoever converted
	Links     Statement // hashes of two keys of one person
	Touches   Statement // media source and hashes of keys, in order
}

func lostStatements(q *Query, impressions bool) lostSQL {
	var l lostSQL
	l.Converted.add("SELECT DISTINCT cityHash64(arrayJoin(keys)) FROM conversions\n").within(q)
	l.Links.add("SELECT DISTINCT a_hash, cityHash64(b) FROM identity_links\nWHERE app_id = ? AND a < b", q.App)
	l.Touches.add("SELECT source, hashes FROM (\n" +
		"    SELECT touch_id, argMax(time, version) AS at, argMax(media_source, version) AS source, argMax(kind, version) AS kind_of,\n" +
		"        argMax(withheld, version) AS denied, argMax(arrayMap(k -> cityHash64(k), keys), version) AS hashes\n    FROM touches FINAL\n    ").within(q).
		add("\n    GROUP BY touch_id)\nWHERE NOT denied AND kind_of IN ('click', 'visit'")
	if impressions {
		l.Touches.add(", 'impression'")
	}
	l.Touches.add(")")
	l.Touches.add("\nORDER BY at, touch_id LIMIT ?", MaxPeopleTouches+1)
	return l
}
