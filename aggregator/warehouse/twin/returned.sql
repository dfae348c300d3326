-- The re-engagement whose window each in-app event lies in: the latest opening, after
-- the person had not been active for a while, that a retargeting touch led to.
SELECT id, found.1.2 AS open_id, found.1.1 AS opened_at, found.2 AS touch
FROM
(
    SELECT id, arrayLast(r -> r.2.place.2 != '', arrayMap(o -> (o,
            -- The touch that called the person back: a click or visit before an impression, the latest.
            arraySort(t -> (t.kind != 'impression', t.place), arrayFilter(t -> t.place.1 <= o.1 AND o.1 < t.place.1 + t.window, calls))[-1]),
        comings)) AS found
    FROM
    (
        SELECT id,
            arrayFilter((t, r) -> t.retargeting AND NOT t.withheld AND NOT r, touches, rejected) AS calls,
            arrayMap(o -> o.1, openings) AS opens,
            arrayMap(o -> o.1, opens) AS times,
            -- Of several openings at one instant none is the activity before another.
            arrayMap(o -> times[arrayFirstIndex(at -> at = o.1, times) - 1], opens) AS earlier,
            arrayFilter((o, e, i) -> time < o.1 + reengagement AND NOT (cut AND i = 1)
                AND o.1 - if(arrayFirstIndex(at -> at = o.1, times) > 1, e, carried_time) >= inactivity,
                opens, earlier, arrayEnumerate(opens)) AS comings
        FROM opened
        INNER JOIN (SELECT id, s, time, withheld FROM conversion) AS c USING (id)
        INNER JOIN terms USING (s)
        INNER JOIN (SELECT id, touches, rejected FROM judged) AS judged USING (id)
        WHERE NOT c.withheld
    )
)
WHERE found.1.2 != ''
