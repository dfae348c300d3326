package report

import (
	"context"
	"fmt"
	"time"
)

// LateRow counts the late touches of one media source and kind.
type LateRow struct {
	MediaSource string `json:"media_source"`
	Kind        string `json:"kind"`
	Touches     uint64 `json:"touches"`
	Conversions uint64 `json:"conversions"` // that one of them was too late for
	LongestMS   int64  `json:"longest_delay_ms"`
}

// LateResult tells of touches that came too late to change credit: they were
// received longer after they happened than the lateness limit is. It also tells how many
// conversions each group would have counted for otherwise, as far as a match key is
// shared directly. Conflicts are message ids that were used for several contents.
type LateResult struct {
	LimitMS   int64     `json:"lateness_ms"`
	Rows      []LateRow `json:"rows"`
	Conflicts uint64    `json:"event_id_conflicts"`
}

// LateTouch is a touch that arrived later than the lateness limit.
type LateTouch struct {
	TouchID     string    `json:"touch_id"`
	Kind        string    `json:"kind"`
	MediaSource string    `json:"media_source"`
	Campaign    string    `json:"campaign"`
	Time        time.Time `json:"time"`
	Received    time.Time `json:"received"`
	Refused     uint64    `json:"refused"` // conversions that it was too late for
}

// LateTouches are touches that arrived too late to change credit, the latest
// arrivals first.
type LateTouches struct {
	Data []LateTouch `json:"data"`
	More bool        `json:"more"` // there are further ones, of an earlier arrival
}

// MaxLate bounds the touches of such a list.
const MaxLate = 500

// Late counts what came too late, by the lateness limit and the lookback of the
// settings of a valid query.
func Late(ctx context.Context, store Store, q Query) (LateResult, error) {
	result := LateResult{LimitMS: q.Settings.Lateness, Rows: []LateRow{}}
	err := store.Read(ctx,
		into(&result.Rows, lateRows(&q), func(r Row, l *LateRow) error {
			return r.Scan(&l.MediaSource, &l.Kind, &l.Touches, &l.Conversions, &l.LongestMS)
		}),
		Part{conflictsSQL(&q), func(r Row) error { return r.Scan(&result.Conflicts) }})
	if err != nil {
		return result, fmt.Errorf("read late data: %w", err)
	}
	return result, nil
}

// ListLate lists the touches that Late counts. That each has lost a conversion is not
// said: nobody may have converted, or the conversion may have arrived as late.
func ListLate(ctx context.Context, store Store, q Query) (LateTouches, error) {
	result := LateTouches{Data: []LateTouch{}}
	err := store.Read(ctx, into(&result.Data, lateTouches(&q), func(r Row, l *LateTouch) error {
		var at, received int64
		err := r.Scan(&l.TouchID, &l.Kind, &l.MediaSource, &l.Campaign, &at, &received, &l.Refused)
		l.Time, l.Received = time.UnixMilli(at).UTC(), time.UnixMilli(received).UTC()
		return err
	}))
	if err != nil {
		return result, fmt.Errorf("read late touches: %w", err)
	}
	if result.More = len(result.Data) > MaxLate; result.More {
		result.Data = result.Data[:MaxLate]
	}
	return result, nil
}

// late is a statement over the late touches of the range, a row for each of their
// keys, and the conversions that share the key. Most is how many touches it looks at,
// the latest arrivals first; 0 is all.
func lateSQL(q *Query, what string, most int) *Statement {
	var s Statement
	s.add("WITH late AS\n(\n    SELECT touch_id, source, campaign_of, kind_of, at, stamp, arrayJoin(if(empty(known), [''], known)) AS key FROM\n    (\n"+
		"        SELECT touch_id, argMax(media_source, version) AS source, argMax(campaign, version) AS campaign_of, argMax(kind, version) AS kind_of,\n"+
		"            argMax(time, version) AS at, argMax(received, version) AS stamp, argMax(keys, version) AS known\n        FROM touches FINAL\n        ").
		within(q).sources(q).countries(q).
		add(" AND received - time > ?\n        GROUP BY touch_id HAVING kind_of != 'open'", q.Settings.Lateness)
	if most > 0 {
		s.add("\n        ORDER BY stamp DESC, touch_id LIMIT ?", most)
	}
	return s.add("\n    )\n)\nSELECT "+what+"\nFROM late\nLEFT JOIN\n(\n    SELECT key, conversion_id, time AS made, received AS made_known FROM "+
		"conversion_keys FINAL\n"+
		"    WHERE app_id = ? AND key_hash IN (SELECT cityHash64(key) FROM late) AND time >= ? AND time < ?\n) AS made_by ON made_by.key = late.key\n",
		q.Settings.Lookback, q.Settings.Lateness, q.App, q.From.UnixMilli(), q.To.UnixMilli()+q.Settings.Lookback)
}

// refused counts the conversions that a touch was too late for; its arguments are
// those that late gives.
const refused = "uniqExactIf(conversion_id, conversion_id != '' AND made >= at AND made < at + ? AND stamp > made_known + ?)"

func lateRows(q *Query) Statement {
	return *lateSQL(q, "if(source = '', 'unknown', source) AS media_source, kind_of, uniqExact(touch_id) AS touches, "+refused+", max(stamp - at)", 0).
		add("GROUP BY media_source, kind_of ORDER BY touches DESC, media_source, kind_of LIMIT ?", maxGroups)
}

func lateTouches(q *Query) Statement {
	return *lateSQL(q, "touch_id, any(kind_of), any(source), any(campaign_of), any(at), any(stamp) AS arrived, "+refused, MaxLate+1).
		add("GROUP BY touch_id ORDER BY arrived DESC, touch_id")
}

func conflictsSQL(q *Query) Statement {
	var s Statement
	return *s.add("SELECT uniqExact(event_id) FROM event_id_conflicts FINAL\nWHERE app_id = ? AND received >= ? AND received < ?",
		q.App, q.From.UnixMilli(), q.To.UnixMilli())
}
