-- The openings that are considered of each in-app event: those after the install that
-- it belongs to, if a retargeting touch is considered at all; the latest max_openings.
SELECT id, carried_time, length(every) > {max_openings:UInt32} AS cut, arraySlice(every, -{max_openings:Int32}) AS openings
FROM
(
    SELECT c.id AS id, any(c.carried_time) AS carried_time, arraySort(groupUniqArray(((o.time, o.id), o.received, o.digest))) AS every
    FROM
    (
        SELECT *, arrayJoin(known_keys) AS key
        FROM conversion
        INNER JOIN terms USING (s)
        INNER JOIN person USING (id)
        INNER JOIN carried USING (id)
        WHERE id IN (SELECT id FROM considered WHERE retargeting AND NOT probable)
    ) AS c
    INNER JOIN opening AS o ON o.key = c.key
    WHERE (o.received <= c.deadline OR o.historical) AND o.time <= c.time AND o.time > c.time - c.opening_span AND o.time > c.carried_time
    GROUP BY c.id
)
