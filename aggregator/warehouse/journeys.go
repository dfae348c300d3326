package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// maxPeopleKeys bounds the keys that converted in a range, and the links of an app,
// of which each takes about 30 bytes while journeys are put together.
const maxPeopleKeys = 10_000_000

// Journeys returns the paths to the conversions of a query's range, each with how
// many went it.
func (w *Warehouse) Journeys(ctx context.Context, q report.Query) ([]report.JourneySum, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	var sums []report.JourneySum
	err := w.answer(ctx, q.Journeys(), func(rows driver.Rows) error {
		var s report.JourneySum
		err := rows.Scan(&s.Channels, &s.Paid, &s.Currency, &s.Conversions, &s.Revenue, &s.Exact, &s.Unknown)
		sums = append(sums, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read journeys: %w", err)
	}
	return sums, nil
}

// LostJourneys returns the paths of those who met a channel in a query's range and
// made no conversion in it. Impressions are on them if asked for.
func (w *Warehouse) LostJourneys(ctx context.Context, q report.Query, impressions bool) ([]attribution.Journey, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	people := report.NewPeople()
	bounded := func(what string, do func(driver.Rows) error) func(driver.Rows) error {
		n := 0
		return func(rows driver.Rows) error {
			if n++; n > maxPeopleKeys {
				return &report.InvalidError{Reason: fmt.Sprintf("there are more than %d %s: ask for a shorter range", maxPeopleKeys, what)}
			}
			return do(rows)
		}
	}
	sql := q.Lost(impressions)
	err := w.answer(ctx, sql.Converted, bounded("keys of people who converted", func(rows driver.Rows) error {
		var key uint64
		err := rows.Scan(&key)
		people.Converted(key)
		return err
	}))
	if err == nil {
		err = w.answer(ctx, sql.Links, bounded("identity links", func(rows driver.Rows) error {
			var a, b uint64
			err := rows.Scan(&a, &b)
			people.Link(a, b)
			return err
		}))
	}
	if err == nil {
		err = w.answer(ctx, sql.Touches, func(rows driver.Rows) error {
			var channel string
			var keys []uint64
			if err := rows.Scan(&channel, &keys); err != nil {
				return err
			}
			return people.Touch(channel, keys)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read journeys without a conversion: %w", err)
	}
	lost, _ := people.Lost()
	return lost, nil
}

// SampleConversions returns up to limit conversions of a range, chosen by the hash
// of their ids, so always the same ones and of all times alike, and how many there
// are.
func (w *Warehouse) SampleConversions(ctx context.Context, app string, from, to int64, limit int) (ids []string, of uint64, err error) {
	err = each(ctx, w.read, func(rows driver.Rows) error {
		var id string
		err := rows.Scan(&id, &of)
		ids = append(ids, id)
		return err
	}, `SELECT conversion_id, count() OVER () FROM (
    SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?)
ORDER BY cityHash64(conversion_id), conversion_id LIMIT ?`, app, from, to, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("sample conversions: %w", err)
	}
	return ids, of, nil
}
