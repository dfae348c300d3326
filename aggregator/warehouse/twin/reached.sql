-- Who the person of each conversion is: the keys that are within reach over links
-- that were on time, the nearest first. One step of the recursion is one link
-- further; fresh are the keys found in it.
SELECT id, any(deadline) AS until, argMax(reached, hop) AS reached
FROM
(
    WITH RECURSIVE reach AS
    (
        SELECT 0 AS hop, id, deadline, arraySlice(arraySort(arrayDistinct(person_keys)), 1, {max_keys:UInt32}) AS reached, reached AS fresh
        FROM conversion
        UNION ALL
        SELECT hop, id, deadline, arrayConcat(before, found) AS reached, found AS fresh
        FROM
        (
            SELECT any(r.hop) + 1 AS hop, r.id AS id, any(r.deadline) AS deadline, any(r.reached) AS before,
                arraySlice(arraySort(groupUniqArrayIf(link.b, NOT has(r.reached, link.b) AND NOT startsWith(link.b, 'click:'))), 1, {max_keys:UInt32} - length(before)) AS found
            FROM (SELECT hop, id, deadline, reached, arrayJoin(fresh) AS key FROM reach WHERE hop < {max_hops:UInt32}) AS r
            INNER JOIN link ON link.a = r.key
            WHERE link.since <= r.deadline
            GROUP BY r.id
        )
        WHERE notEmpty(found)
    )
    SELECT hop, id, deadline, reached FROM reach
)
GROUP BY id
