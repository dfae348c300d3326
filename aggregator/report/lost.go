package report

// LostSQL are the statements from which the journeys without a conversion are put
// together; see People.
type LostSQL struct {
	Converted Statement // hash of a key of whoever converted
	Links     Statement // hashes of two keys of one person
	Touches   Statement // media source and hashes of keys, in order
}

// Lost returns the statements for the journeys without a conversion in the range of
// a valid query.
func (q *Query) Lost(impressions bool) LostSQL {
	var l LostSQL
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
