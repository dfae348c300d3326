package report

import "github.com/unmogrowp/unmogrowp/aggregator/attribution"

// LateRow counts the late touches of one media source and kind.
type LateRow struct {
	MediaSource string `json:"media_source"`
	Kind        string `json:"kind"`
	Touches     uint64 `json:"touches"`
	Conversions uint64 `json:"conversions"` // that one of them was too late for
	LongestMS   int64  `json:"longest_delay_ms"`
}

// LateResult tells of what came too late to change credit: touches that were
// received longer after they happened than the lateness limit is, and how many
// conversions each group would have counted for otherwise, as far as a match key is
// shared directly. Conflicts are message ids that were used for several contents.
type LateResult struct {
	LimitMS   int64     `json:"lateness_ms"`
	Rows      []LateRow `json:"rows"`
	Conflicts uint64    `json:"event_id_conflicts"`
}

// LateStatements are the statements of the late-data report.
type LateStatements struct {
	Rows      Statement // media source, kind, touches, conversions, longest delay
	Conflicts Statement // count
}

// Late returns the statements of the late-data report of a valid query, by the
// lateness limit and the lookback of the settings.
func (q *Query) Late(s *attribution.Settings) LateStatements {
	var l LateStatements
	l.Rows.add("WITH late AS\n(\n    SELECT touch_id, source, kind_of, at, stamp, arrayJoin(if(empty(known), [''], known)) AS key FROM\n    (\n"+
		"        SELECT touch_id, argMax(media_source, version) AS source, argMax(kind, version) AS kind_of, argMax(time, version) AS at,\n"+
		"            argMax(received, version) AS stamp, argMax(keys, version) AS known\n        FROM touches FINAL\n        ").
		within(q).sources(q).countries(q).
		add(" AND received - time > ?\n        GROUP BY touch_id\n    )\n    WHERE kind_of != 'open'\n)\n", s.Lateness).
		add("SELECT if(source = '', 'unknown', source) AS media_source, kind_of, uniqExact(touch_id) AS touches,\n"+
			"    uniqExactIf(conversion_id, conversion_id != '' AND made >= at AND made < at + ? AND stamp > made_known + ?), max(stamp - at)\n"+
			"FROM late\nLEFT JOIN\n(\n    SELECT key, conversion_id, time AS made, received AS made_known FROM conversion_keys FINAL\n"+
			"    WHERE app_id = ? AND key_hash IN (SELECT cityHash64(key) FROM late) AND time >= ? AND time < ?\n) AS made_by ON made_by.key = late.key\n"+
			"GROUP BY media_source, kind_of ORDER BY touches DESC, media_source, kind_of LIMIT ?",
			s.Lookback, s.Lateness, q.App, q.From.UnixMilli(), q.To.UnixMilli()+s.Lookback, maxGroups)
	l.Conflicts.add("SELECT uniqExact(event_id) FROM event_id_conflicts FINAL\nWHERE app_id = ? AND received >= ? AND received < ?",
		q.App, q.From.UnixMilli(), q.To.UnixMilli())
	return l
}
