-- The rows, as they are stored.
SELECT {app:String} AS app_id, c.id AS conversion_id,
    bitShiftLeft(least(digest.generation, 16777215), 40) + bitShiftLeft(toUInt64(least(digest.inputs, 65535)), 16)
        + bitShiftRight(digest.input_digest, 48) AS version,
    c.name AS name, c.install AS install, c.own_time AS time, c.own_received AS received,
    if(c.repeats, 0, counted_revenue(c.has_revenue, c.revenue, c.untrusted AND terms.exclude_untrusted)) AS revenue, c.has_revenue AS has_revenue, c.currency AS currency,
    digest.generation AS generation, digest.inputs AS inputs, digest.input_digest AS input_digest, seen.truncated AS truncated,
    if(c.install, c.id, told.own.place.2) AS install_id,
    if(c.install, settled.settled, told.own.said) AS known,
    returned.open_id != '' AND returned.open_id = c.id AS came_back,
    if(came_back, 're_engagement', known.1) AS outcome,
    if(came_back, 'opened the app again after a touch of a retargeting link', known.2) AS reason,
    known.3 AS match, known.4 AS touch_id, known.5 AS media_source, known.6 AS campaign,
    known.7 AS adset, known.8 AS ad, known.9 AS keyword, known.10 AS link_id, known.11 AS fraud_rule,
    {rule_levels:Array(String)}[indexOf({rule_names:Array(String)}, fraud_rule)] AS fraud_level, c.order_id AS order_id, if(c.repeats, c.about, '') AS repeat_of, c.untrusted AS untrusted, c.historical AS historical,
    multiIf(returned.open_id != '', 'retargeting', install_id != '', 'install', '') AS primary_source,
    returned.open_id AS retargeting_open_id, returned.opened_at AS retargeting_opened_at, returned.touch.place.2 AS retargeting_touch_id,
    returned.touch.media_source AS retargeting_media_source, returned.touch.campaign AS retargeting_campaign,
    returned.touch.adset AS retargeting_adset, returned.touch.ad AS retargeting_ad, returned.touch.keyword AS retargeting_keyword,
    returned.touch.link_id AS retargeting_link_id,
    arrayMap(t -> t.place.2, path.path) AS touches_id,
    arrayMap(t -> t.place.1, path.path) AS touches_time,
    arrayMap(t -> t.kind, path.path) AS touches_kind,
    arrayMap(t -> t.media_source, path.path) AS touches_media_source,
    arrayMap(t -> t.medium, path.path) AS touches_medium,
    arrayMap(t -> t.campaign, path.path) AS touches_campaign,
    arrayMap(t -> t.adset, path.path) AS touches_adset,
    arrayMap(t -> t.ad, path.path) AS touches_ad,
    arrayMap(t -> t.keyword, path.path) AS touches_keyword,
    arrayMap(t -> t.link_id, path.path) AS touches_link_id,
    path.fraud AS touches_fraud,
    arrayMap(m -> arrayMap(v -> toUInt32(v), m.2), share.credits) AS credits,
    credits[1] AS credit_first_touch, credits[2] AS credit_last_touch, credits[3] AS credit_linear,
    credits[4] AS credit_time_decay, credits[5] AS credit_position_based,
    arrayMap(m -> arrayMap(v -> toInt64(if(revenue < 0, -toInt128(v), toInt128(v))), m.2), share.revenues) AS revenues,
    revenues[1] AS revenue_first_touch, revenues[2] AS revenue_last_touch, revenues[3] AS revenue_linear,
    revenues[4] AS revenue_time_decay, revenues[5] AS revenue_position_based,
    if(c.install, contest.candidates, path.off) AS rivals,
    arrayConcat(arrayMap(t -> t.1.place.2, rivals), arrayMap(u -> '', contest.claims)) AS candidates_touch_id,
    arrayConcat(arrayMap(t -> '', rivals), arrayMap(u -> u.1, contest.claims)) AS candidates_claim,
    arrayConcat(arrayMap(t -> t.1.kind, rivals), arrayMap(u -> '', contest.claims)) AS candidates_kind,
    arrayConcat(arrayMap(t -> t.1.place.1, rivals), arrayMap(u -> toInt64(0), contest.claims)) AS candidates_time,
    arrayConcat(arrayMap(t -> t.1.media_source, rivals), arrayMap(u -> '', contest.claims)) AS candidates_media_source,
    arrayConcat(arrayMap(t -> t.1.campaign, rivals), arrayMap(u -> '', contest.claims)) AS candidates_campaign,
    arrayConcat(arrayMap(t -> if(c.install, t.1.match, ''), rivals), arrayMap(u -> u.2, contest.claims)) AS candidates_match,
    arrayConcat(multiIf(NOT c.install, arrayMap(t -> 'fraud_rejected', rivals), settled.repeats = '', contest.verdict, contest.verdict_again), arrayMap(u -> u.3, contest.claims)) AS candidates_verdict,
    arrayConcat(arrayMap(t -> t.2, rivals), arrayMap(u -> '', contest.claims)) AS candidates_fraud
FROM conversion AS c
INNER JOIN digest ON digest.id = c.id
INNER JOIN terms ON terms.s = c.s
LEFT JOIN seen ON seen.id = c.id
LEFT JOIN path ON path.id = c.id
LEFT JOIN share ON share.id = c.id
LEFT JOIN told ON told.id = c.id
LEFT JOIN contest ON contest.id = c.id
LEFT JOIN settled ON settled.id = c.id
LEFT JOIN returned ON returned.id = c.id
WHERE c.asked
