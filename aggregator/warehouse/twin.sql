-- What package attribution defines, computed another way: the path of each
-- wanted conversion under one version of the settings, and its shares under the
-- five models. Nothing here is floating point.
--
-- wanted: the conversion ids. known: keys that may belong to their people; it
-- only saves reading, what is not reached from a conversion changes nothing.
WITH RECURSIVE
    toUInt256(bitShiftLeft(toUInt256(1), 120)) AS one, -- fixed point with 120 bits
    toUInt256('4350955369971217654477563090224794165364344896676135745069') AS ln2, -- ⌊ln 2 · 2^192⌋

    -- Of the variants of a conversion id the one that was received first.
    conversion AS
    (
        SELECT conversion_id AS id, time, received, name, install, revenue, has_revenue, currency, withheld, keys,
            received + {lateness:Int64} AS deadline
        FROM conversion_ids
        WHERE app_id = {app:String} AND id_hash IN (SELECT hash FROM wanted) AND conversion_id IN (SELECT value FROM wanted)
        ORDER BY conversion_id, conversion_ids.received, digest, conversion_ids.time
        LIMIT 1 BY conversion_id
    ),

    link AS
    (
        SELECT a, b, received FROM identity_links
        WHERE app_id = {app:String} AND a_hash IN (SELECT hash FROM known) AND a IN (SELECT value FROM known)
    ),

    -- Who the conversion's person is: one row for each conversion and number of
    -- links away, fresh being the keys found there.
    reach AS
    (
        SELECT 0 AS hop, id, deadline, arraySlice(arraySort(arrayDistinct(keys)), 1, {max_keys:UInt32}) AS reached, reached AS fresh
        FROM conversion
        UNION ALL
        SELECT hop, id, deadline, arrayConcat(before, found) AS reached, found AS fresh
        FROM
        (
            SELECT any(r.hop) + 1 AS hop, r.id AS id, any(r.deadline) AS deadline, any(r.reached) AS before,
                arraySlice(arraySort(groupUniqArrayIf(link.b, NOT has(r.reached, link.b))), 1, {max_keys:UInt32} - length(before)) AS found
            FROM (SELECT hop, id, deadline, reached, arrayJoin(fresh) AS key FROM reach WHERE hop < {max_hops:UInt32}) AS r
            INNER JOIN link ON link.a = r.key
            WHERE link.received <= r.deadline
            GROUP BY r.id
        )
        WHERE notEmpty(found)
    ),

    person AS
    (
        SELECT id, arrayJoin(argMax(reached, hop)) AS key FROM reach GROUP BY id
    ),

    -- Touches that anybody could have, of each id the variant that was received first.
    touch AS
    (
        SELECT key, time, touch_id, received, kind, media_source, medium, campaign, adset, ad, keyword, link_id, click_id, withheld
        FROM touch_keys
        WHERE app_id = {app:String} AND key_hash IN (SELECT hash FROM known) AND key IN (SELECT value FROM known)
            AND time > {from:Int64} AND time <= {to:Int64}
            AND (touch_id, (received, digest, time)) IN
            (
                SELECT touch_id, min((received, digest, time)) FROM touch_ids
                WHERE app_id = {app:String} AND id_hash IN
                (
                    SELECT cityHash64(touch_id) FROM touch_keys
                    WHERE app_id = {app:String} AND key_hash IN (SELECT hash FROM known) AND time > {from:Int64} AND time <= {to:Int64}
                )
                GROUP BY touch_id
            )
    ),

    -- What is considered of each conversion, ordered: no touch twice, however many keys led to it.
    considered AS
    (
        SELECT c.id AS id, arraySort(groupUniqArray((t.time, t.touch_id, t.kind, t.media_source, t.medium, t.campaign,
            t.adset, t.ad, t.keyword, t.link_id, t.click_id, t.withheld))) AS touches
        FROM conversion AS c
        INNER JOIN person ON person.id = c.id
        INNER JOIN touch AS t ON t.key = person.key
        WHERE t.time <= c.time AND t.received <= c.deadline
            AND t.time > c.time - if(c.install, {install_span:Int64}, {lookback:Int64})
            AND (c.install OR t.kind != 'impression' OR {impressions:Bool})
        GROUP BY c.id
    ),

    eligible AS
    (
        SELECT c.*, length(touches) > {max_touches:UInt32} AS truncated,
            arrayFilter(t -> NOT c.withheld AND NOT t.12 AND t.1 > c.time - {lookback:Int64} AND (t.3 != 'impression' OR {impressions:Bool}),
                arraySlice(touches, -{max_touches:Int32})) AS eligible,
            arrayFilter(t -> NOT (t.4 IN ('direct', 'Direct', '(direct)')
                OR t.4 = '' AND t.3 = 'visit' AND t.5 = '' AND t.6 = '' AND t.11 = '' AND t.10 = ''), eligible) AS indirect,
            arrayMap(t -> t.4, eligible) AS sources
        FROM conversion AS c LEFT JOIN considered ON considered.id = c.id
    ),

    path AS
    (
        SELECT *,
            multiIf({transform:String} = 'collapse_repeats',
                    arrayFilter((t, i, source, next) -> i = length(sources) OR source != next,
                        eligible, arrayEnumerate(eligible), sources, arrayShiftLeft(sources, 1)),
                {transform:String} = 'ignore_direct' AND notEmpty(indirect), indirect,
                eligible) AS touches,
            toUInt64(length(touches)) AS n,
            touches[-1].1 AS latest,
            arrayMap(t -> toUInt64(latest - t.1), touches) AS ages
        FROM eligible
    ),

    -- 2^(−rest/H) by the series of e^(−y), innermost term first.
    decayed AS
    (
        SELECT *,
            arrayMap(age -> least(intDiv(age, {half_life:UInt64}), 49), ages) AS halvings,
            arrayMap(age -> bitShiftRight(intDiv(ln2 * (age % {half_life:UInt64}), {half_life:UInt64}), 72), ages) AS exponents,
            arrayFold((sum, k) -> arrayMap((s, y) -> toUInt256(one - intDiv(bitShiftRight(y * s, 120), k)), sum, exponents),
                arrayReverse(range(1, 33)), arrayMap(y -> one, exponents)) AS powers,
            arrayMap((p, h) -> toUInt64(bitShiftRight(p, 72 + h)), powers, halvings) AS decay,
            -- The power is right to within some units of 2^-120. Where that leaves the floor open there is no answer.
            throwIf(arrayExists((p, y, h) -> y > 0 AND h < 49 AND
                    bitAnd(p + 64, bitShiftLeft(toUInt256(1), 72 + h) - 1) < 128, powers, exponents, halvings),
                'time decay is too close to a whole number for 120 bits') AS doubt
        FROM path
    ),

    -- One row for each conversion, model and amount to be shared: 1 the credit, 2 the revenue.
    weighed AS
    (
        SELECT id, about, model, weights, arraySum(weights) AS whole, kind, amount
        FROM
        (
            SELECT id, (name, install, time, received, if(has_revenue, revenue, 0) AS value, has_revenue, currency, truncated, touches) AS about,
                arrayEnumerate(touches) AS i, [
                arrayMap(x -> toUInt64(x = 1), i),
                arrayMap(x -> toUInt64(x = n), i),
                arrayMap(x -> toUInt64(1), i),
                decay,
                arrayMap(x -> toUInt64(multiIf(
                    n = 1, 1,
                    n = 2 AND {first:UInt64} + {last:UInt64} = 0, 1,
                    n = 2, if(x = 1, {first:UInt64}, {last:UInt64}),
                    x = 1, {first:UInt64} * (n - 2),
                    x = n, {last:UInt64} * (n - 2),
                    {middle:UInt64})), i)] AS models,
                [toUInt64(1000000), toUInt64(abs(value))] AS amounts
            FROM decayed
        )
        ARRAY JOIN models AS weights, arrayEnumerate(models) AS model
        ARRAY JOIN amounts AS amount, arrayEnumerate(amounts) AS kind
    ),

    -- Largest remainder: the floors, and one more for each of the greatest remainders, the later of equal ones.
    shared AS
    (
        SELECT id, about, model, kind,
            arrayMap(w -> toUInt64(intDiv(toUInt128(amount) * w, whole)), weights) AS floors,
            arrayMap(w -> toUInt64((toUInt128(amount) * w) % whole), weights) AS remainders,
            amount - arraySum(floors) AS units,
            arrayReverseSort((i, r) -> (r, i), arrayEnumerate(remainders), remainders) AS ranking,
            arraySort((rank, i) -> i, arrayEnumerate(ranking), ranking) AS ranks,
            arrayMap((f, rank) -> f + toUInt64(rank <= units), floors, ranks) AS shares
        FROM weighed
    )
SELECT id, about.1, about.2, about.3, about.4, about.5, about.6, about.7, about.8,
    about.9.2, about.9.1, about.9.3, about.9.4, about.9.5, about.9.6, about.9.7, about.9.8, about.9.9, about.9.10,
    arrayMap(m -> arrayMap(v -> toUInt32(v), m.2), credits),
    arrayMap(m -> arrayMap(v -> toInt64(if(about.5 < 0, -toInt128(v), toInt128(v))), m.2), revenues)
FROM
(
    SELECT id, any(about) AS about, arraySort(groupArrayIf((model, shares), kind = 1)) AS credits,
        arraySort(groupArrayIf((model, shares), kind = 2)) AS revenues
    FROM shared GROUP BY id
)
ORDER BY id
