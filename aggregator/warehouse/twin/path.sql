-- The path of each conversion, transformed, and what fraud keeps off it.
SELECT id, s, value, toUInt64(length(path)) AS n, arrayMap(t -> t.place.1, path) AS times, path,
    arrayMap(p -> p.2, arrayFilter((p, k) -> k, pairs, kept)) AS fraud, off
FROM
(
    SELECT id, s, value, pairs, off, arrayMap(p -> p.1, arrayFilter((p, k) -> k, pairs, kept)) AS path,
        multiIf(transform = 'collapse_repeats', arrayMap((i, source, next) -> i = length(sources) OR source != next,
                arrayEnumerate(sources), sources, arrayShiftLeft(sources, 1)),
            transform = 'ignore_direct' AND has(direct, false), arrayMap(d -> NOT d, direct),
            arrayMap(d -> true, direct)) AS kept
    FROM
    (
        SELECT id, s, value, transform, off,
            -- Of visits that a site led to within half an hour, and of one click id of one source, the first.
            arrayFilter(p -> p.3, sharing) AS sites,
            arrayEnumerateUniq(arrayMap((p, i) -> if(p.3 OR click_key(p.1.click_id) = '', (i, '', ''), (0, p.1.media_source, p.1.click_id)),
                sharing, arrayEnumerate(sharing))) AS nth,
            arrayMap(p -> (p.1, p.2), arrayFilter((p, n) -> n = 1 AND NOT (p.3 AND arrayExists(o -> o.1.media_source = p.1.media_source
                AND o.1.place < p.1.place AND p.1.place.1 - o.1.place.1 < 1800000, sites)), sharing, nth)) AS pairs,
            arrayMap(p -> p.1.direct, pairs) AS direct,
            arrayMap(p -> p.1.media_source, pairs) AS sources
        FROM
        (
            SELECT c.id AS id, c.s AS s, counted_revenue(c.has_revenue, c.revenue, c.untrusted AND terms.exclude_untrusted) AS value, terms.transform AS transform,
                arrayMap((t, f, r) -> (t, f, bitTest(t.stamp, 8)),
                    arrayFilter((t, r) -> t.shares AND NOT r, judged.touches, judged.rejected),
                    arrayFilter((f, t, r) -> t.shares AND NOT r, judged.fraud, judged.touches, judged.rejected),
                    arrayFilter((r, t) -> t.shares AND NOT r, judged.rejected, judged.touches)) AS sharing,
                arrayFilter(o -> o.3, arrayMap((t, f, r) -> (t, f, t.shares AND r AND NOT c.install), judged.touches, judged.fraud, judged.rejected)) AS off
            FROM conversion AS c INNER JOIN judged ON judged.id = c.id INNER JOIN terms ON terms.s = c.s
            WHERE c.asked AND NOT c.repeats
        )
    )
)
WHERE notEmpty(path) OR notEmpty(off)
