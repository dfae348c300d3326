SELECT g0, paid, currency, toString(sum(credits)), toString(sum(shares)), '0' AS exact, '0' AS unknown
FROM (SELECT x_media_source AS g0, x_paid AS paid, x_currency AS currency, 0 AS day, sum(toInt128(credit_linear_of)) AS credits, sum(toInt128(revenue_linear_of)) AS shares
FROM (SELECT conversion_id AS x_id, time AS x_at, has_revenue AS x_paid, if(has_revenue, currency, '') AS x_currency, touches_media_source AS x_path, length(touches_id) AS x_steps, x_place, x_touch, if(y_source = '', 'direct', y_source) AS x_media_source, x_campaign, x_adset, x_ad, x_keyword, x_link, credit_linear_of, revenue_linear_of
FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of = '')
ARRAY JOIN if(empty(touches_id), [''], touches_id) AS x_touch, if(empty(touches_id), ['organic'], touches_media_source) AS y_source, if(empty(touches_id), [1], arrayEnumerate(touches_id)) AS x_place, if(empty(touches_id), [''], touches_campaign) AS x_campaign, if(empty(touches_id), [''], touches_adset) AS x_adset, if(empty(touches_id), [''], touches_ad) AS x_ad, if(empty(touches_id), [''], touches_keyword) AS x_keyword, if(empty(touches_id), [''], touches_link_id) AS x_link,
    if(empty(touches_id), [1000000], credit_linear) AS credit_linear_of, if(empty(touches_id), [revenue], revenue_linear) AS revenue_linear_of) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, paid, currency, day)
GROUP BY g0, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, g2, g3, g4, paid, currency, toString(sum(credits)), toString(sum(shares)), '0' AS exact, '0' AS unknown
FROM (SELECT x_media_source AS g0, x_campaign AS g1, x_adset AS g2, x_ad AS g3, x_keyword AS g4, x_paid AS paid, x_currency AS currency, 0 AS day, sum(toInt128(credit_position_based_of)) AS credits, sum(toInt128(revenue_position_based_of)) AS shares
FROM (SELECT conversion_id AS x_id, time AS x_at, has_revenue AS x_paid, if(has_revenue, currency, '') AS x_currency, touches_media_source AS x_path, length(touches_id) AS x_steps, x_place, x_touch, if(y_source = '', 'direct', y_source) AS x_media_source, x_campaign, x_adset, x_ad, x_keyword, x_link, credit_position_based_of, revenue_position_based_of
FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of = '')
ARRAY JOIN if(empty(touches_id), [''], touches_id) AS x_touch, if(empty(touches_id), ['organic'], touches_media_source) AS y_source, if(empty(touches_id), [1], arrayEnumerate(touches_id)) AS x_place, if(empty(touches_id), [''], touches_campaign) AS x_campaign, if(empty(touches_id), [''], touches_adset) AS x_adset, if(empty(touches_id), [''], touches_ad) AS x_ad, if(empty(touches_id), [''], touches_keyword) AS x_keyword, if(empty(touches_id), [''], touches_link_id) AS x_link,
    if(empty(touches_id), [1000000], credit_position_based) AS credit_position_based_of, if(empty(touches_id), [revenue], revenue_position_based) AS revenue_position_based_of) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, g2, g3, g4, paid, currency, day)
GROUP BY g0, g1, g2, g3, g4, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT channels, paid, currency, toInt64(sum(n)), toString(sum(amount)), '0' AS exact, '0' AS unknown
FROM (SELECT channels, paid, currency, 0 AS day, count() AS n, sum(toInt128(revenue)) AS amount FROM (
    SELECT arrayCompact(touches_media_source) AS channels, has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, revenue
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?))))
    GROUP BY channels, paid, currency, day)
GROUP BY channels, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← 50000

