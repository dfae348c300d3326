package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Rollups keeps exact sums of hours, so that reports read rows only of hours that still change.
// Migration 00031 says how they lie, and report.Bucket how they are read.
//
// Sums of a bucket are right if nothing changed in it since they were made. Every insert
// leaves its mark by a view, but its stamp is of its beginning: so sums are made of hours
// unchanged for RollupMargin, longer than an insert takes, and stand for the time
// before that. Whoever deletes rows, or decides which content of a message id counts, marks the
// bucket for a while ahead before he begins; until then it is read from its rows.
type Rollups struct{ *server }

const (
	// RollupMargin is how long a bucket rests before its sums are made.
	RollupMargin = 2 * time.Minute
	// changingFor is how long a deletion may take: while it does, the rows are read.
	changingFor = time.Hour
	// rollupTogether is how many buckets one statement sums up.
	rollupTogether = 48
)

// bucket names a bucket of one app.
type bucket struct {
	app  string
	fact report.Fact
	hour uint32
}

// Build makes the sums of up to limit buckets that have changed since they were last made and have
// rested for a margin, and returns how many these were. Sums that are made twice are the same.
func (w *Rollups) Build(ctx context.Context, margin time.Duration, limit int) (int, error) {
	now, err := (&Warehouse{server: w.server}).Now(ctx)
	if err != nil {
		return 0, err
	}
	asOf := now.Add(-margin).UnixMilli()
	due := make(map[string]map[report.Fact][]uint32)
	total := 0
	err = each(ctx, w.facts, func(rows driver.Rows) error {
		var b bucket
		err := rows.Scan(&b.app, (*uint8)(&b.fact), &b.hour)
		if due[b.app] == nil {
			due[b.app] = make(map[report.Fact][]uint32)
		}
		due[b.app][b.fact] = append(due[b.app][b.fact], b.hour)
		total++
		return err
	}, "SELECT app_id, fact, hour FROM "+report.BucketStates+" WHERE changed >= stored AND changed < ? ORDER BY hour DESC LIMIT ?", asOf, limit)
	if err != nil {
		return 0, fmt.Errorf("find hours to sum up: %w", err)
	}
	for app, facts := range due {
		for fact, hours := range facts {
			if err := w.sumUp(ctx, app, fact, hours, asOf); err != nil {
				return 0, fmt.Errorf("sum up hours of app %s: %w", app, err)
			}
		}
	}
	return total, nil
}

func (w *Rollups) sumUp(ctx context.Context, app string, fact report.Fact, hours []uint32, asOf int64) error {
	for len(hours) > 0 {
		n := min(len(hours), rollupTogether)
		s := report.Sums(app, fact, hours[:n], asOf)
		if err := w.write.Exec(ctx, "INSERT INTO rollups ("+report.SumColumns+")\n"+s.SQL, s.Args...); err != nil {
			return err
		}
		// Only now do they count.
		list := hours[:n]
		err := w.send(ctx, "rollup_hours", []column{
			pick("app_id", pointers(list), func(*uint32) string { return app }),
			pick("fact", pointers(list), func(*uint32) uint8 { return uint8(fact) }),
			pick("hour", pointers(list), func(h *uint32) uint32 { return *h }),
			pick("as_of", pointers(list), func(*uint32) int64 { return asOf }),
		}, n)
		if err != nil {
			return err
		}
		hours = hours[n:]
	}
	return nil
}

// Unsummed returns how many buckets have no sums that are right. A report reads these row by
// row: those of the last minutes, and more while sums are being made.
func (w *Rollups) Unsummed(ctx context.Context) (n uint64, err error) {
	err = each(ctx, w.facts, func(rows driver.Rows) error { return rows.Scan(&n) },
		"SELECT count() FROM "+report.BucketStates+" WHERE changed >= stored")
	if err != nil {
		return 0, fmt.Errorf("count hours without sums: %w", err)
	}
	return n, nil
}

// Differing compares the sums of up to limit buckets, chosen by a seed, with their rows, and returns
// those with wrong sums. They are marked as changed, so that they are read from their
// rows at once and summed up again. A bucket that changes meanwhile is not compared.
func (w *Rollups) Differing(ctx context.Context, seed uint64, limit int) (compared, wrong int, err error) {
	var all []bucket
	versions := make(map[bucket]int64)
	read := func(rows driver.Rows) error {
		var b bucket
		var asOf int64
		err := rows.Scan(&b.app, (*uint8)(&b.fact), &b.hour, &asOf)
		all, versions[b] = append(all, b), asOf
		return err
	}
	const valid = "SELECT app_id, fact, hour, stored FROM " + report.BucketStates + " WHERE stored > changed"
	if err := each(ctx, w.facts, read, valid+" ORDER BY cityHash64(app_id, fact, hour, ?) LIMIT ?", seed, limit); err != nil {
		return 0, 0, fmt.Errorf("choose sums to compare: %w", err)
	}
	for _, b := range all {
		same, err := w.agrees(ctx, b, versions[b])
		if err != nil {
			return compared, wrong, fmt.Errorf("compare sums: %w", err)
		}
		still := false
		err = each(ctx, w.facts, func(driver.Rows) error { still = true; return nil },
			valid+" AND app_id = ? AND fact = ? AND hour = ? AND stored = ?", b.app, uint8(b.fact), b.hour, versions[b])
		if err != nil {
			return compared, wrong, fmt.Errorf("compare sums: %w", err)
		}
		if !still {
			continue
		}
		compared++
		if same {
			continue
		}
		wrong++
		if err := w.markHours(ctx, b.app, []uint32{b.hour}, 0, b.fact); err != nil {
			return compared, wrong, err
		}
	}
	return compared, wrong, nil
}

// agrees says whether the sums of a bucket equal the sums of its rows.
func (w *Rollups) agrees(ctx context.Context, b bucket, asOf int64) (bool, error) {
	s := report.Sums(b.app, b.fact, []uint32{b.hour}, asOf)
	var sums, rows string
	const digest = "SELECT toString((count(), sum(n), sum(paid), sum(revenue), groupBitXor(cityHash64(" + report.SumColumns + ")))) FROM "
	err := each(ctx, w.facts, func(r driver.Rows) error { return r.Scan(&rows) }, digest+"("+s.SQL+")", s.Args...)
	if err == nil {
		err = each(ctx, w.facts, func(r driver.Rows) error { return r.Scan(&sums) },
			digest+"rollups FINAL WHERE app_id = ? AND fact = ? AND hour = ? AND as_of = ?", b.app, uint8(b.fact), b.hour, asOf)
	}
	return sums == rows, err
}

// Clean removes sums that were replaced so long ago that no question still reads them.
func (w *Rollups) Clean(ctx context.Context) error {
	const replaced = `(app_id, fact, hour, as_of) IN
(SELECT app_id, fact, hour, as_of FROM (SELECT DISTINCT app_id, fact, hour, as_of FROM rollups) AS all
    INNER JOIN (SELECT app_id, fact, hour, max(as_of) AS stored FROM rollup_hours GROUP BY app_id, fact, hour) AS newest USING (app_id, fact, hour)
    WHERE as_of < stored AND stored < toUnixTimestamp64Milli(now64(3)) - 3600000)`
	some := false
	err := each(ctx, w.facts, func(driver.Rows) error { some = true; return nil }, "SELECT 1 FROM rollups WHERE "+replaced+" LIMIT 1")
	if err == nil && some {
		err = w.write.Exec(ctx, "DELETE FROM rollups WHERE "+replaced)
	}
	if err != nil {
		return fmt.Errorf("remove sums that were replaced: %w", err)
	}
	return nil
}

// changing marks the buckets of rows that are about to be deleted from events, touches or conversions,
// by the condition that they are deleted by.
func (w *server) changing(ctx context.Context, table, condition string, args ...any) error {
	facts := map[string]report.Fact{"events": report.EventFact, "touches": report.TouchFact, "conversions": report.ConversionFact}
	fact, ok := facts[table]
	if !ok {
		return nil
	}
	err := w.write.Exec(ctx, fmt.Sprintf(`INSERT INTO changed_hours (app_id, fact, hour, changed, newest)
SELECT app_id, %d, toUInt32(intDiv(original, 3600000)) AS hour, toUnixTimestamp64Milli(now64(3)) + %d, 0 FROM %s WHERE %s GROUP BY app_id, hour`,
		fact, changingFor.Milliseconds(), table, condition), args...)
	if err != nil {
		return fmt.Errorf("mark hours of %s that change: %w", table, err)
	}
	return nil
}

// deciding marks the buckets of message ids whose counting content may change.
func (w *server) deciding(ctx context.Context, app string, ids []string, ahead time.Duration) error {
	var hours []uint32
	err := w.lookupHashes(ctx, hashesOf(ids), func(rows driver.Rows) error {
		var hour uint32
		err := rows.Scan(&hour)
		hours = append(hours, hour)
		return err
	}, "SELECT DISTINCT hour FROM event_ids WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted)", app)
	if err == nil {
		err = w.markHours(ctx, app, hours, ahead, report.EventFact, report.TouchFact, report.ConversionFact)
	}
	if err != nil {
		return fmt.Errorf("mark hours of message ids: %w", err)
	}
	return nil
}

// markHours says that hours of an app change, now and for a while.
func (w *server) markHours(ctx context.Context, app string, hours []uint32, ahead time.Duration, facts ...report.Fact) error {
	var now time.Time
	if err := each(ctx, w.facts, func(r driver.Rows) error { return r.Scan(&now) }, "SELECT now64(3, 'UTC')"); err != nil {
		return fmt.Errorf("read ClickHouse clock: %w", err)
	}
	var marks []bucket
	for _, f := range facts {
		for _, h := range hours {
			marks = append(marks, bucket{app, f, h})
		}
	}
	if len(marks) == 0 {
		return nil
	}
	rows := pointers(marks)
	return w.send(ctx, "changed_hours", []column{
		pick("app_id", rows, func(b *bucket) string { return b.app }),
		pick("fact", rows, func(b *bucket) uint8 { return uint8(b.fact) }),
		pick("hour", rows, func(b *bucket) uint32 { return b.hour }),
		pick("changed", rows, func(*bucket) int64 { return now.Add(ahead).UnixMilli() }),
		pick("newest", rows, func(*bucket) int64 { return 0 }),
	}, len(rows))
}
