-- The distinct links within each person that are followed from either end, ordered.
SELECT id, arraySort(groupUniqArray((least(key, link.b), greatest(key, link.b)))) AS links
FROM (SELECT id, until, arrayConcat(reached, linked) AS within, arrayJoin(reached) AS key FROM person) AS p
INNER JOIN link ON link.a = p.key
WHERE link.since <= p.until AND has(p.within, link.b)
GROUP BY id
