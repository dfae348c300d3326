SELECT g0, paid, currency, toString(sum(credits)), toString(sum(shares)), '0' AS exact, '0' AS unknown
FROM (SELECT x_media_source AS g0, x_paid AS paid, x_currency AS currency, 0 AS day, sum(toInt128(credit_linear_of)) AS credits, sum(toInt128(revenue_linear_of)) AS shares
FROM (SELECT conversion_id AS x_id, time AS x_at, has_revenue AS x_paid, if(has_revenue, currency, '') AS x_currency, touches_media_source AS x_path, length(touches_id) AS x_steps, x_place, x_touch, if(y_source = '', 'direct', y_source) AS x_media_source, x_campaign, x_adset, x_ad, x_keyword, x_link, credit_linear_of, revenue_linear_of
FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of = '' AND fraud_rule = '')
ARRAY JOIN if(empty(touches_id), [''], touches_id) AS x_touch, if(empty(touches_id), ['organic'], touches_media_source) AS y_source, if(empty(touches_id), [1], arrayEnumerate(touches_id)) AS x_place, if(empty(touches_id), [''], touches_campaign) AS x_campaign, if(empty(touches_id), [''], touches_adset) AS x_adset, if(empty(touches_id), [''], touches_ad) AS x_ad, if(empty(touches_id), [''], touches_keyword) AS x_keyword, if(empty(touches_id), [''], touches_link_id) AS x_link,
    if(empty(touches_id), [1000000], credit_linear) AS credit_linear_of, if(empty(touches_id), [revenue], revenue_linear) AS revenue_linear_of) AS b
GROUP BY g0, paid, currency, day)
GROUP BY g0, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT intDiv(time - touches_time[1], 86400000) AS days, count()
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    AND fraud_rule = ''
    AND notEmpty(touches_time)
GROUP BY days ORDER BY days LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT conversion_id, lower(hex(cityHash64(conversion_id))), name, time, revenue, currency, outcome, media_source, campaign,
    touches_media_source[indexOf(credit_linear, arrayMax(credit_linear))], touches_campaign[indexOf(credit_linear, arrayMax(credit_linear))], length(touches_id)
FROM attributions FINAL
WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    AND fraud_rule = ''
ORDER BY time DESC, lower(hex(cityHash64(conversion_id))) DESC LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 51

SELECT DISTINCT cityHash64(arrayJoin(keys)) FROM conversions
WHERE app_id = ? AND time >= ? AND time < ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

SELECT DISTINCT a_hash, cityHash64(b) FROM identity_links
WHERE app_id = ? AND a < b
  ← "app-1"

SELECT source, hashes FROM (
    SELECT touch_id, argMax(time, version) AS at, argMax(media_source, version) AS source, argMax(kind, version) AS kind_of,
        argMax(withheld, version) AS denied, argMax(arrayMap(k -> cityHash64(k), keys), version) AS hashes
    FROM touches FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    GROUP BY touch_id)
WHERE NOT denied AND kind_of IN ('click', 'visit', 'impression')
ORDER BY at, touch_id LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 3000001

