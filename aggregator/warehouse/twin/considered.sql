-- The touches that may count for each conversion, one row each, with what can be said
-- of each by itself. A touch under several keys is taken under the first that leads to
-- it. Those that only share a fingerprint with an install are probable.
SELECT c.id AS id, (t.time, t.id) AS place, t.received AS received, t.digest AS digest, toUInt64(t.opened) + 2 * toUInt64(t.marks) AS stamp,
    t.kind AS kind, t.media_source AS media_source, t.medium AS medium, t.campaign AS campaign, t.adset AS adset, t.ad AS ad,
    t.keyword AS keyword, t.link_id AS link_id, t.click_id AS click_id, t.direct AS direct, t.retargeting AS retargeting, t.withheld AS withheld,
    if(t.kind = 'click', arrayFilter(k -> NOT match(k, '^(user|click|order|fp):'), t.keys), []) AS device_keys,
    t.time <= c.time AS before,
    c.time - t.time AS age,
    NOT hasAny(t.keys, c.known_keys) AS probable,
    is_trusted(t.marks) OR has(c.trusted_referrers, lowerUTF8(t.media_source)) AS trusted,
    arrayFilter(k -> startsWith(k, 'click:'), t.keys) AS click_keys,
    if(t.kind IN ('visit', 'stated') AND t.click_id != '' AND NOT has(t.keys, click_key(t.click_id)), click_key(t.click_id), '') AS arrival_key,
    hasAny(t.keys, c.click_keys) AS shares_click,
    NOT probable AND before AND NOT c.withheld AND NOT t.withheld AND age < c.lookback AND (t.kind != 'impression' OR c.impressions)
        AND (t.kind != 'stated' OR trusted) AS shares,
    multiIf(of_link.window > 0, of_link.window, of_source.window > 0, of_source.window, c.windows[1 + (t.kind = 'impression') + 2 * probable]) AS window,
    age >= window AS expired,

    -- Of an install only.
    c.install AND c.claim_key != '' AND has(t.keys, c.claim_key) AS claimed,
    c.install AND c.own_key != '' AND has(t.keys, c.own_key) AS named,
    multiIf(NOT c.install, '',
        probable, 'probabilistic',
        t.kind = 'stated', 'stated',
        claimed, 'referrer',
        named, 'click_id',
        hasAny(t.keys, c.device_keys), 'device_id',
        hasAny(t.keys, c.person_keys) OR c.has_user, 'user_id',
        'device_id') AS match,
    multiIf(t.kind = 'impression', if(probable, 5, 4), probable, 3, match IN ('referrer', 'click_id', 'stated'), 1, 2) AS tier,
    bitOr(mark_bits(t.marks), if(c.install, c.own_marks, 0))
        + if(c.install AND before AND t.kind = 'click',
            rule_bit('click_after_install_begin') * (in_later_second(t.time, c.install_begin) OR claimed AND in_later_second(c.referrer_click, c.install_begin))
            + rule_bit('short_click_to_install') * (age < c.min_click_to_install), 0) AS holds
FROM
(
    SELECT *, click_key(click_id) AS own_key, carried != '' AS returning,
        arrayConcat(known_keys, if(probabilistic AND install AND click_id = '' AND claim = '', fingerprints, [])) AS lookup,
        arrayJoin(lookup) AS key,
        arrayExists(k -> startsWith(k, 'user:'), reached) AS has_user
    FROM conversion
    INNER JOIN terms USING (s)
    INNER JOIN person USING (id)
    LEFT JOIN claim USING (id)
    LEFT JOIN carried USING (id)
) AS c
INNER JOIN touch AS t ON t.key = c.key
LEFT JOIN override AS of_link ON of_link.s = c.s AND of_link.link_id = t.link_id AND of_link.media_source = ''
    AND of_link.kind = 1 + (t.kind = 'impression') + 2 * (NOT hasAny(t.keys, c.known_keys))
LEFT JOIN override AS of_source ON of_source.s = c.s AND of_source.media_source = t.media_source AND of_source.link_id = ''
    AND of_source.kind = 1 + (t.kind = 'impression') + 2 * (NOT hasAny(t.keys, c.known_keys))
WHERE (t.received <= c.deadline OR is_historical(t.marks))
    AND (t.kind != 'stated' OR t.id = c.basis OR is_trusted(t.marks) OR has(c.trusted_referrers, lowerUTF8(t.media_source)))
    AND t.key = arrayFirst(k -> has(c.lookup, k), t.keys)
    AND if(probable,
        before AND age < c.longest_probable,
        t.time <= c.time + multiIf(NOT c.install, 0, hasAny(t.keys, c.click_keys), {named_after:Int64}, {install_after:Int64})
            AND (c.install AND age < c.install_span
                OR age < c.lookback AND (t.kind != 'impression' OR c.impressions)
                OR c.returning AND t.retargeting AND age < c.returning_span))
