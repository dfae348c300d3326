-- The distinct links within each person, ordered.
SELECT id, arraySort(groupUniqArray((key, link.b))) AS links
FROM (SELECT id, until, reached, arrayJoin(reached) AS key FROM person WHERE length(reached) > 1) AS p
INNER JOIN link ON link.a = p.key
WHERE link.a < link.b AND link.since <= p.until AND has(p.reached, link.b)
GROUP BY id
