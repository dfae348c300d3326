-- The path of each conversion, transformed.
SELECT id, s, value, toUInt64(length(path)) AS n, arrayMap(t -> t.1.place.1, path) AS times, path
FROM
(
    SELECT c.id AS id, c.s AS s, if(c.has_revenue, c.revenue, 0) AS value,
        arrayFilter(t -> t.1.shares AND NOT t.3, arrayMap((t, h) -> (t, terms.rule[1 + h], terms.rejects[1 + h]), seen.touches, seen.holds)) AS sharing,
        arrayFilter(t -> NOT t.1.direct, sharing) AS indirect,
        arrayMap(t -> t.1.media_source, sharing) AS sources,
        multiIf(terms.transform = 'collapse_repeats',
                arrayFilter((t, i, source, next) -> i = length(sources) OR source != next,
                    sharing, arrayEnumerate(sharing), sources, arrayShiftLeft(sources, 1)),
            terms.transform = 'ignore_direct' AND notEmpty(indirect), indirect,
            sharing) AS path
    FROM conversion AS c INNER JOIN seen ON seen.id = c.id INNER JOIN terms ON terms.s = c.s
    WHERE c.asked
)
WHERE notEmpty(path)
