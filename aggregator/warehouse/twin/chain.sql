-- The installs of people in order of time, each new or the repetition of an
-- earlier one on its device. An install repeats if the latest new one lies less
-- than the re-attribution window back. Without a touch of its own that brings the
-- person back it keeps the source of the latest one. The fold finds for each
-- install: whether it is new, the position of the install whose source it has,
-- and the position of the one that it repeats, 0 if none.
SELECT id, ids[known.2] AS source, if(known.3 = 0, '', ids[known.3]) AS repeats
FROM
(
    SELECT arraySort(i -> i.1, groupArray(((c.time, c.id), c.returns, p.earlier, terms.reattribution))) AS installs,
        arrayMap(i -> i.1.2, installs) AS ids,
        arrayMap(i -> i.1.1, installs) AS times,
        arrayMap(i -> arrayMap(e -> toUInt64(indexOf(ids, e)), i.3), installs) AS earlier,
        arrayFold((so_far, i, before) -> arrayPushBack(so_far,
                found(repeating(so_far, before, i.1.1, times, i.4), i.2, so_far, before[-1])),
            installs, earlier, CAST([] AS Array(Tuple(Bool, UInt64, UInt64)))) AS outcomes
    FROM (SELECT conversion.*, contest.winner_again > 0 AS returns FROM conversion INNER JOIN contest ON contest.id = conversion.id) AS c
    INNER JOIN terms ON terms.s = c.s
    LEFT JOIN (SELECT id, arrayMap(e -> e.2, arraySort(groupArray(place))) AS earlier FROM prior WHERE on_device GROUP BY id) AS p ON p.id = c.id
    GROUP BY c.part
)
ARRAY JOIN ids AS id, outcomes AS known
