-- The path of each conversion, transformed.
SELECT id, s, value, toUInt64(length(path)) AS n, arrayMap(t -> t.place.1, path) AS times, path,
    arrayMap(h -> rules[1 + h], arrayFilter((h, k) -> k, sharing_holds, kept)) AS fraud
FROM
(
    SELECT id, s, value, rules, sharing_holds, arrayFilter((t, k) -> k, sharing, kept) AS path,
        multiIf(transform = 'collapse_repeats', arrayMap((i, source, next) -> i = length(sources) OR source != next,
                arrayEnumerate(sources), sources, arrayShiftLeft(sources, 1)),
            transform = 'ignore_direct' AND has(direct, false), arrayMap(d -> NOT d, direct),
            arrayMap(d -> true, direct)) AS kept
    FROM
    (
        SELECT c.id AS id, c.s AS s, if(c.has_revenue, c.revenue, 0) AS value, terms.transform AS transform, terms.rule AS rules,
            arrayFilter((t, h) -> t.shares AND NOT terms.rejects[1 + h], seen.touches, seen.holds) AS sharing,
            arrayFilter((h, t) -> t.shares AND NOT terms.rejects[1 + h], seen.holds, seen.touches) AS sharing_holds,
            arrayMap(t -> t.direct, sharing) AS direct,
            arrayMap(t -> t.media_source, sharing) AS sources
        FROM conversion AS c INNER JOIN (SELECT id, touches, holds FROM seen) AS seen ON seen.id = c.id INNER JOIN terms ON terms.s = c.s
        WHERE c.asked
    )
)
WHERE notEmpty(path)
