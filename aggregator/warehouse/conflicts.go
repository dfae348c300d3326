package warehouse

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Disputes finds and settles message ids that were used for several contents.
type Disputes struct{ *server }

// RecordConflicts stores the variants of message ids that were used for more than
// one content. Recording them again changes nothing.
func (w *Disputes) RecordConflicts(ctx context.Context, variants []attribution.Variant) error {
	ids := make(map[string][]string)
	for i := range variants {
		ids[variants[i].App] = append(ids[variants[i].App], variants[i].ID)
	}
	for app, list := range ids { // before they are recorded, so that no sums count another content meanwhile
		if err := w.deciding(ctx, app, list, RollupMargin); err != nil {
			return err
		}
	}
	all := pointers(variants)
	for len(all) > 0 {
		n := min(len(all), maxInsertRows)
		columns := []column{
			pick("app_id", all[:n], func(v *attribution.Variant) string { return v.App }),
			pick("event_id", all[:n], func(v *attribution.Variant) string { return v.ID }),
			pick("digest", all[:n], func(v *attribution.Variant) uint64 { return v.Digest }),
			pick("received", all[:n], func(v *attribution.Variant) int64 { return v.Received }),
		}
		if err := w.send(ctx, "event_id_conflicts", columns, n); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// Conflicts returns the variants of the message ids of an app after an id, in the
// order of their ids, of each the one that counts first; at most limit of them.
func (w *Disputes) Conflicts(ctx context.Context, app, after string, limit int) ([]attribution.Variant, error) {
	var found []attribution.Variant
	scan := func(r driver.Rows) error {
		v := attribution.Variant{App: app}
		err := r.Scan(&v.ID, &v.Digest, &v.Received)
		found = append(found, v)
		return err
	}
	err := each(ctx, w.facts, scan, `SELECT event_id, digest, min(received) AS first FROM event_id_conflicts
WHERE app_id = ? AND event_id > ? GROUP BY event_id, digest ORDER BY event_id, first, digest LIMIT ?`, app, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read conflicts of message ids: %w", err)
	}
	return found, nil
}

// maxVariants bounds how many contents of one message id are recorded. A client
// that gives all its messages one id has any number of them.
const maxVariants = 100

// FindConflicts returns the variants of message ids that were used for more than one
// content, whatever the contents state. An id is looked at if one of its variants was
// inserted at or after since and before until, by the server's clock. Of each id the
// first maxVariants are returned.
func (w *Disputes) FindConflicts(ctx context.Context, since, until time.Time) ([]attribution.Variant, error) {
	return w.findConflicts(ctx, since, until, contestedTogether)
}

// contestedTogether is how many ids are looked up in one statement, whose memory is bounded.
const contestedTogether = 2_000_000

// findConflicts divides the ids by their hash, which is their order, so that each part is read once.
func (w *Disputes) findConflicts(ctx context.Context, since, until time.Time, together uint64) ([]attribution.Variant, error) {
	var fresh uint64
	err := each(ctx, w.facts, func(r driver.Rows) error { return r.Scan(&fresh) }, `SELECT count() FROM event_ids
WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND inserted_at < fromUnixTimestamp64Milli(?)`, since.UnixMilli(), until.UnixMilli())
	found := make(map[string]map[uint64]*contested)
	parts := fresh/together + 1
	width := math.MaxUint64 / parts
	for i := uint64(0); i < parts && err == nil && fresh > 0; i++ {
		first, last := i*width, (i+1)*width-1
		if i == parts-1 {
			last = math.MaxUint64
		}
		err = w.contested(ctx, since, until, hashRange{first, last}, found)
	}
	if err != nil {
		return nil, fmt.Errorf("find conflicts of message ids: %w", err)
	}
	var all []attribution.Variant
	for app, ids := range found {
		names, err := w.namesOf(ctx, app, ids)
		if err != nil {
			return nil, fmt.Errorf("read ids in conflict: %w", err)
		}
		for hash, id := range ids {
			for _, v := range id.variants {
				if name := names[hash]; name != "" { // else its events were erased
					v.App, v.ID = app, name
					all = append(all, v)
				}
			}
		}
	}
	return all, nil
}

// contested is a message id with several contents. Only the hash of the id is known.
type contested struct {
	hours    []uint32 // of the client's times
	variants []attribution.Variant
}

// hashRange is a range of hashes with both its ends.
type hashRange struct{ first, last uint64 }

func (w *Disputes) contested(ctx context.Context, since, until time.Time, in hashRange, found map[string]map[uint64]*contested) error {
	scan := func(rows driver.Rows) error {
		var app string
		var hash uint64
		var hour uint32
		var v attribution.Variant
		if err := rows.Scan(&app, &hash, &v.Digest, &v.Received, &hour); err != nil {
			return err
		}
		if found[app] == nil {
			found[app] = make(map[uint64]*contested)
		}
		id := found[app][hash]
		if id == nil {
			id = &contested{}
			found[app][hash] = id
		}
		id.variants = append(id.variants, v)
		if !slices.Contains(id.hours, hour) {
			id.hours = append(id.hours, hour)
		}
		return nil
	}
	return each(ctx, w.facts, scan, `WITH several AS
(
    SELECT app_id, id_hash FROM event_ids
    WHERE id_hash BETWEEN ? AND ? AND (app_id, id_hash) IN (SELECT app_id, id_hash FROM event_ids
        WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND inserted_at < fromUnixTimestamp64Milli(?) AND id_hash BETWEEN ? AND ?)
    GROUP BY app_id, id_hash HAVING min(digest) != max(digest)
)
SELECT app_id, id_hash, digest, min(received) AS first, any(hour) FROM event_ids
WHERE id_hash BETWEEN ? AND ? AND (app_id, id_hash) IN (SELECT app_id, id_hash FROM several)
GROUP BY app_id, id_hash, digest
ORDER BY app_id, id_hash, first, digest LIMIT ? BY app_id, id_hash`, in.first, in.last, since.UnixMilli(), until.UnixMilli(), in.first, in.last, in.first, in.last, maxVariants)
}

// namesOf returns the message ids of hashes.
func (w *Disputes) namesOf(ctx context.Context, app string, ids map[uint64]*contested) (map[uint64]string, error) {
	hashes, hours := make([]uint64, 0, len(ids)), make(map[uint32]bool)
	for hash, id := range ids {
		hashes = append(hashes, hash)
		for _, h := range id.hours {
			hours[h] = true
		}
	}
	times := make([]int64, 0, len(hours))
	for h := range hours {
		times = append(times, int64(h)*3600)
	}
	slices.Sort(times)
	names := make(map[uint64]string, len(ids))
	scan := func(rows driver.Rows) error {
		var id string
		var hash uint64
		err := rows.Scan(&hash, &id)
		names[hash] = id
		return err
	}
	for chunk := range slices.Chunk(times, maxHours) {
		err := w.lookupHashes(ctx, hashes, scan, `SELECT DISTINCT cityHash64(event_id) AS hash, event_id FROM events
WHERE app_id = ? AND toStartOfHour(fromUnixTimestamp64Milli(original, 'UTC')) IN (SELECT toStartOfHour(fromUnixTimestamp64Milli(arrayJoin(?) * 1000, 'UTC')))
    AND hash IN (SELECT hash FROM wanted)`, app, chunk)
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

// maxHours is how many hours of events are looked through together.
const maxHours = 1000
