-- The person of each conversion, with the clicks that the person named: linked are those
-- that links lead to, claims these and the conversion's own.
SELECT r.id AS id, r.until AS until, r.reached AS reached, l.linked AS linked,
    arrayDistinct(arrayConcat(linked, c.click_keys)) AS claims, arrayConcat(reached, claims) AS known_keys
FROM reached AS r
INNER JOIN conversion AS c ON c.id = r.id
LEFT JOIN
(
    SELECT id, arraySlice(arraySort(groupUniqArray(link.b)), 1, {max_claims:UInt32}) AS linked
    FROM (SELECT id, until, arrayJoin(reached) AS key FROM reached) AS p
    INNER JOIN link ON link.a = p.key
    WHERE link.since <= p.until AND startsWith(link.b, 'click:')
    GROUP BY id
) AS l ON l.id = r.id
