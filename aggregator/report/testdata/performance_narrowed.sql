SELECT g0, g1, g2, g3, y_currency, toString(sum(n0)), toString(sum(n1))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_media_source AS g0, x_sub[1] AS g1, x_platform AS g2, toString(toMonday(toDate(fromUnixTimestamp64Milli(x_at, 'Europe/Berlin')))) AS g3, '' AS currency, 0 AS day, sum(toInt128(x_kind = 'click')) AS n0, sum(toInt128(x_kind = 'impression')) AS n1
FROM (SELECT touch_id AS x_id, argMax(time, version) AS x_at, argMax(kind, version) AS x_kind, transform(lower(if(argMax(media_source, version) = '', 'direct', argMax(media_source, version))), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(argMax(media_source, version) = '', 'direct', argMax(media_source, version))) AS x_media_source,
    argMax(campaign, version) AS x_campaign, argMax(adset, version) AS x_adset, argMax(ad, version) AS x_ad, argMax(keyword, version) AS x_keyword, argMax(sub, version) AS x_sub,
    argMax(link_id, version) AS x_link, argMax(country, version) AS x_country, argMax(cost, version) AS x_cost, argMax(cost_currency, version) AS x_currency, argMax(marks, version) AS x_marks, argMax(keys, version) AS x_keys
FROM touches FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND (touch_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (touch_id, version) IN (SELECT touch_id, max(version) FROM touch_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY touch_id))
GROUP BY touch_id HAVING x_kind != 'open') AS b
LEFT ANY JOIN (SELECT event_id AS x_id, any(multiIf(lower(JSONExtractString(payload, 'context', 'os', 'name')) AS x_os IN ('ios', 'ipados', 'iphone os'), 'ios', x_os = 'android', 'android',
            positionCaseInsensitive(user_agent, 'android') > 0, 'android', match(user_agent, 'iPhone|iPad|iPod|CFNetwork'), 'ios', user_agent = '' AND x_os = '', '', 'web')) AS x_platform, any(JSONExtractString(payload, 'context', 'app', 'version')) AS x_app_version FROM events FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY event_id) AS e USING x_id
WHERE x_app_version NOT IN (?) AND x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, g2, g3, currency, day) AS summed)
GROUP BY g0, g1, g2, g3, y_currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["1'"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, g2, g3, y_currency, toString(sum(n0)), toString(sum(n1)), toString(sum(n2)), toString(sum(n3)), toString(sum(n4))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_media_source AS g0, x_sub[1] AS g1, x_platform AS g2, toString(toMonday(toDate(fromUnixTimestamp64Milli(x_at, 'Europe/Berlin')))) AS g3, '' AS currency, 0 AS day, sum(toInt128(x_new)) AS n0, sum(toInt128(x_new AND x_view)) AS n1, sum(toInt128(x_new AND x_fraud != '')) AS n2, sum(toInt128(x_outcome = 'reinstall')) AS n3, sum(toInt128(x_outcome = 're_attribution')) AS n4
FROM (SELECT conversion_id AS x_id, time AS x_at, touch_id AS x_touch, if(outcome = 'unattributed', 'unattributed', transform(lower(if(media_source = '', 'organic', media_source)), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(media_source = '', 'organic', media_source))) AS x_media_source,
    campaign AS x_campaign, adset AS x_adset, ad AS x_ad, keyword AS x_keyword, link_id AS x_link, toString(outcome) AS x_outcome, fraud_rule AS x_fraud,
    candidates_kind[indexOf(candidates_verdict, 'won')] = 'impression' AS x_view, outcome NOT IN ('reinstall', 're_attribution', 're_engagement') AS x_new
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND install) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
LEFT ANY JOIN (SELECT touch_id AS x_touch, argMax(sub, version) AS x_sub FROM touches FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY touch_id) AS t USING x_touch
LEFT ANY JOIN (SELECT event_id AS x_id, any(multiIf(lower(JSONExtractString(payload, 'context', 'os', 'name')) AS x_os IN ('ios', 'ipados', 'iphone os'), 'ios', x_os = 'android', 'android',
            positionCaseInsensitive(user_agent, 'android') > 0, 'android', match(user_agent, 'iPhone|iPad|iPod|CFNetwork'), 'ios', user_agent = '' AND x_os = '', '', 'web')) AS x_platform, any(JSONExtractString(payload, 'context', 'app', 'version')) AS x_app_version FROM events FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY event_id) AS e USING x_id
WHERE x_app_version NOT IN (?) AND x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, g2, g3, currency, day) AS summed)
GROUP BY g0, g1, g2, g3, y_currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1756857600000
  ← 1780272000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["1'"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, g2, g3, y_currency, toString(sum(n0))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_media_source AS g0, x_sub[1] AS g1, x_platform AS g2, toString(toMonday(toDate(fromUnixTimestamp64Milli(x_at, 'Europe/Berlin')))) AS g3, '' AS currency, 0 AS day, sum(toInt128(1)) AS n0
FROM (SELECT argMin(conversion_id, (time, conversion_id)) AS x_id, min(retargeting_opened_at) AS x_at, any(retargeting_touch_id) AS x_touch, transform(lower(if(any(retargeting_media_source) = '', 'direct', any(retargeting_media_source))), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(any(retargeting_media_source) = '', 'direct', any(retargeting_media_source))) AS x_media_source,
    any(retargeting_campaign) AS x_campaign, any(retargeting_adset) AS x_adset, any(retargeting_ad) AS x_ad, any(retargeting_keyword) AS x_keyword, any(retargeting_link_id) AS x_link
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND retargeting_open_id != ''
GROUP BY retargeting_open_id HAVING x_at >= ? AND x_at < ?) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
LEFT ANY JOIN (SELECT touch_id AS x_touch, argMax(sub, version) AS x_sub FROM touches FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY touch_id) AS t USING x_touch
LEFT ANY JOIN (SELECT event_id AS x_id, any(multiIf(lower(JSONExtractString(payload, 'context', 'os', 'name')) AS x_os IN ('ios', 'ipados', 'iphone os'), 'ios', x_os = 'android', 'android',
            positionCaseInsensitive(user_agent, 'android') > 0, 'android', match(user_agent, 'iPhone|iPad|iPod|CFNetwork'), 'ios', user_agent = '' AND x_os = '', '', 'web')) AS x_platform, any(JSONExtractString(payload, 'context', 'app', 'version')) AS x_app_version FROM events FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY event_id) AS e USING x_id
WHERE x_app_version NOT IN (?) AND x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, g2, g3, currency, day) AS summed)
GROUP BY g0, g1, g2, g3, y_currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1780272000000
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1756857600000
  ← 1780272000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["1'"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, g2, g3, y_currency, toString(sum(n0)), toString(sum(toInt256(m0) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sum(toInt256(m1) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sum(toInt256(m2) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sumIf(m0, currency != ? AND rate = 0)), toString(sumIf(m1, currency != ? AND rate = 0)), toString(sumIf(m2, currency != ? AND rate = 0))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_media_source AS g0, x_sub[1] AS g1, x_platform AS g2, toString(toMonday(toDate(fromUnixTimestamp64Milli(x_at, 'Europe/Berlin')))) AS g3, x_currency AS currency, toInt32(intDiv(x_at, 86400000)) AS day, sum(toInt128(credit_linear_of)) AS n0, sum(toInt128(revenue_linear_of)) AS m0, sum(toInt128(greatest(revenue_linear_of, 0))) AS m1, sum(toInt128(if(x_untrusted, revenue_linear_of, 0))) AS m2
FROM (SELECT conversion_id AS x_id, time AS x_at, has_revenue AS x_paid, if(has_revenue, currency, '') AS x_currency, touches_media_source AS x_path, length(touches_id) AS x_steps, x_place, x_touch, transform(lower(if(y_source = '', 'direct', y_source)), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(y_source = '', 'direct', y_source)) AS x_media_source, x_campaign, x_adset, x_ad, x_keyword, x_link, credit_linear_of, revenue_linear_of
FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of = '' AND name = ?)
ARRAY JOIN if(empty(touches_id), [''], touches_id) AS x_touch, if(empty(touches_id), ['organic'], touches_media_source) AS y_source, if(empty(touches_id), [1], arrayEnumerate(touches_id)) AS x_place, if(empty(touches_id), [''], touches_campaign) AS x_campaign, if(empty(touches_id), [''], touches_adset) AS x_adset, if(empty(touches_id), [''], touches_ad) AS x_ad, if(empty(touches_id), [''], touches_keyword) AS x_keyword, if(empty(touches_id), [''], touches_link_id) AS x_link,
    if(empty(touches_id), [1000000], credit_linear) AS credit_linear_of, if(empty(touches_id), [revenue], revenue_linear) AS revenue_linear_of) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
LEFT ANY JOIN (SELECT touch_id AS x_touch, argMax(sub, version) AS x_sub FROM touches FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY touch_id) AS t USING x_touch
LEFT ANY JOIN (SELECT event_id AS x_id, any(multiIf(lower(JSONExtractString(payload, 'context', 'os', 'name')) AS x_os IN ('ios', 'ipados', 'iphone os'), 'ios', x_os = 'android', 'android',
            positionCaseInsensitive(user_agent, 'android') > 0, 'android', match(user_agent, 'iPhone|iPad|iPod|CFNetwork'), 'ios', user_agent = '' AND x_os = '', '', 'web')) AS x_platform, any(JSONExtractString(payload, 'context', 'app', 'version')) AS x_app_version FROM events FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY event_id) AS e USING x_id
WHERE x_app_version NOT IN (?) AND x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, g2, g3, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency))
GROUP BY g0, g1, g2, g3, y_currency LIMIT ?
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "Buy'd"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1756857600000
  ← 1780272000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["1'"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, y_currency, toString(sum(n0)), toString(sum(n1))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_campaign AS g0, x_country AS g1, '' AS currency, 0 AS day, sum(toInt128(x_kind = 'click')) AS n0, sum(toInt128(x_kind = 'impression')) AS n1
FROM (SELECT touch_id AS x_id, argMax(time, version) AS x_at, argMax(kind, version) AS x_kind, transform(lower(if(argMax(media_source, version) = '', 'direct', argMax(media_source, version))), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(argMax(media_source, version) = '', 'direct', argMax(media_source, version))) AS x_media_source,
    argMax(campaign, version) AS x_campaign, argMax(adset, version) AS x_adset, argMax(ad, version) AS x_ad, argMax(keyword, version) AS x_keyword, argMax(sub, version) AS x_sub,
    argMax(link_id, version) AS x_link, argMax(country, version) AS x_country, argMax(cost, version) AS x_cost, argMax(cost_currency, version) AS x_currency, argMax(marks, version) AS x_marks, argMax(keys, version) AS x_keys
FROM touches FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND (touch_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (touch_id, version) IN (SELECT touch_id, max(version) FROM touch_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY touch_id))
GROUP BY touch_id HAVING x_kind != 'open' AND x_marks = 0) AS b
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, currency, day) AS summed)
GROUP BY g0, g1, y_currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, y_currency, toString(sum(n0)), toString(sum(n1)), toString(sum(n2)), toString(sum(n3)), toString(sum(n4))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_campaign AS g0, x_country AS g1, '' AS currency, 0 AS day, sum(toInt128(x_new)) AS n0, sum(toInt128(x_new AND x_view)) AS n1, sum(toInt128(x_new AND x_fraud != '')) AS n2, sum(toInt128(x_outcome = 'reinstall')) AS n3, sum(toInt128(x_outcome = 're_attribution')) AS n4
FROM (SELECT conversion_id AS x_id, time AS x_at, touch_id AS x_touch, if(outcome = 'unattributed', 'unattributed', transform(lower(if(media_source = '', 'organic', media_source)), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(media_source = '', 'organic', media_source))) AS x_media_source,
    campaign AS x_campaign, adset AS x_adset, ad AS x_ad, keyword AS x_keyword, link_id AS x_link, toString(outcome) AS x_outcome, fraud_rule AS x_fraud,
    candidates_kind[indexOf(candidates_verdict, 'won')] = 'impression' AS x_view, outcome NOT IN ('reinstall', 're_attribution', 're_engagement') AS x_new
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND install AND fraud_rule = '') AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, currency, day) AS summed)
GROUP BY g0, g1, y_currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, y_currency, toString(sum(n0)), toString(sum(n1)), toString(sum(n2)), toString(sum(n3)), toString(sum(n4)), toString(sum(toInt256(m0) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sum(toInt256(m1) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sum(toInt256(m2) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sum(toInt256(m3) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sum(toInt256(m4) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sum(toInt256(m5) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sumIf(m0, currency != ? AND rate = 0)), toString(sumIf(m1, currency != ? AND rate = 0)), toString(sumIf(m2, currency != ? AND rate = 0)), toString(sumIf(m3, currency != ? AND rate = 0)), toString(sumIf(m4, currency != ? AND rate = 0)), toString(sumIf(m5, currency != ? AND rate = 0))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_campaign AS g0, x_country AS g1, x_currency AS currency, toInt32(intDiv(x_at, 86400000)) AS day, sum(toInt128(credit_first_touch_of)) AS n0, sum(toInt128(credit_last_touch_of)) AS n1, sum(toInt128(credit_linear_of)) AS n2, sum(toInt128(credit_time_decay_of)) AS n3, sum(toInt128(credit_position_based_of)) AS n4, sum(toInt128(revenue_first_touch_of)) AS m0, sum(toInt128(revenue_last_touch_of)) AS m1, sum(toInt128(revenue_linear_of)) AS m2, sum(toInt128(revenue_time_decay_of)) AS m3, sum(toInt128(revenue_position_based_of)) AS m4, sum(toInt128(greatest(revenue_linear_of, 0))) AS m5
FROM (SELECT conversion_id AS x_id, time AS x_at, has_revenue AS x_paid, if(has_revenue, currency, '') AS x_currency, touches_media_source AS x_path, length(touches_id) AS x_steps, x_place, x_touch, transform(lower(if(y_source = '', 'direct', y_source)), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(y_source = '', 'direct', y_source)) AS x_media_source, x_campaign, x_adset, x_ad, x_keyword, x_link, credit_first_touch_of, revenue_first_touch_of, credit_last_touch_of, revenue_last_touch_of, credit_linear_of, revenue_linear_of, credit_time_decay_of, revenue_time_decay_of, credit_position_based_of, revenue_position_based_of
FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of = '' AND name = ? AND fraud_rule = '')
ARRAY JOIN if(empty(touches_id), [''], touches_id) AS x_touch, if(empty(touches_id), ['organic'], touches_media_source) AS y_source, if(empty(touches_id), [1], arrayEnumerate(touches_id)) AS x_place, if(empty(touches_id), [''], touches_campaign) AS x_campaign, if(empty(touches_id), [''], touches_adset) AS x_adset, if(empty(touches_id), [''], touches_ad) AS x_ad, if(empty(touches_id), [''], touches_keyword) AS x_keyword, if(empty(touches_id), [''], touches_link_id) AS x_link,
    if(empty(touches_id), [1000000], credit_first_touch) AS credit_first_touch_of, if(empty(touches_id), [revenue], revenue_first_touch) AS revenue_first_touch_of,
    if(empty(touches_id), [1000000], credit_last_touch) AS credit_last_touch_of, if(empty(touches_id), [revenue], revenue_last_touch) AS revenue_last_touch_of,
    if(empty(touches_id), [1000000], credit_linear) AS credit_linear_of, if(empty(touches_id), [revenue], revenue_linear) AS revenue_linear_of,
    if(empty(touches_id), [1000000], credit_time_decay) AS credit_time_decay_of, if(empty(touches_id), [revenue], revenue_time_decay) AS revenue_time_decay_of,
    if(empty(touches_id), [1000000], credit_position_based) AS credit_position_based_of, if(empty(touches_id), [revenue], revenue_position_based) AS revenue_position_based_of) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency))
GROUP BY g0, g1, y_currency LIMIT ?
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "EUR"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "Order Completed"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, y_currency, toString(sum(toInt256(m0) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sumIf(m0, currency != ? AND rate = 0))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_campaign AS g0, x_country AS g1, x_currency AS currency, toInt32(intDiv(x_at, 86400000)) AS day, sum(toInt128(x_cost)) AS m0
FROM (SELECT toUnixTimestamp64Milli(toDateTime64(toString(date) || ' 12:00:00', 3, 'Europe/Berlin')) AS x_at, x_media_source, x_campaign, x_adset, x_ad, x_country, x_cost, x_currency FROM (SELECT date, transform(lower(if(media_source = '', 'direct', media_source)), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(media_source = '', 'direct', media_source)) AS x_media_source, campaign AS x_campaign, adset AS x_adset, ad AS x_ad, country AS x_country,
    argMax(cost, as_of) AS x_cost, argMax(currency, as_of) AS x_currency, argMax(impressions, as_of) AS x_impressions, argMax(clicks, as_of) AS x_clicks, max(as_of) AS x_as_of
FROM costs WHERE app_id = ? AND date >= toDate(?) AND date <= toDate(?)
GROUP BY date, media_source, campaign, adset, ad, country)) AS b
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency))
GROUP BY g0, g1, y_currency LIMIT ?
  ← "EUR"
  ← "EUR"
  ← "app-1"
  ← "2026-01-01"
  ← "2026-02-01"
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

SELECT g0, g1, y_currency, toString(sum(toInt256(m0) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))), toString(sumIf(m0, currency != ? AND rate = 0))
FROM (SELECT *, currency AS y_currency FROM (SELECT x_campaign AS g0, x_country AS g1, x_currency AS currency, toInt32(intDiv(x_at, 86400000)) AS day, sum(toInt128(x_cost)) AS m0
FROM (SELECT * FROM (SELECT touch_id AS x_id, argMax(time, version) AS x_at, argMax(kind, version) AS x_kind, transform(lower(if(argMax(media_source, version) = '', 'direct', argMax(media_source, version))), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(argMax(media_source, version) = '', 'direct', argMax(media_source, version))) AS x_media_source,
    argMax(campaign, version) AS x_campaign, argMax(adset, version) AS x_adset, argMax(ad, version) AS x_ad, argMax(keyword, version) AS x_keyword, argMax(sub, version) AS x_sub,
    argMax(link_id, version) AS x_link, argMax(country, version) AS x_country, argMax(cost, version) AS x_cost, argMax(cost_currency, version) AS x_currency, argMax(marks, version) AS x_marks, argMax(keys, version) AS x_keys
FROM touches FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND (touch_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (touch_id, version) IN (SELECT touch_id, max(version) FROM touch_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY touch_id))
GROUP BY touch_id HAVING x_kind != 'open' AND x_marks = 0) WHERE x_cost != 0 AND (toString(toDate(fromUnixTimestamp64Milli(x_at, 'Europe/Berlin'))), x_media_source) NOT IN (SELECT toString(date), x_media_source FROM (SELECT date, transform(lower(if(media_source = '', 'direct', media_source)), ['fb', 'x\'\x3F'], ['facebook', 'y'], if(media_source = '', 'direct', media_source)) AS x_media_source, campaign AS x_campaign, adset AS x_adset, ad AS x_ad, country AS x_country,
    argMax(cost, as_of) AS x_cost, argMax(currency, as_of) AS x_currency, argMax(impressions, as_of) AS x_impressions, argMax(clicks, as_of) AS x_clicks, max(as_of) AS x_as_of
FROM costs WHERE app_id = ? AND date >= toDate(?) AND date <= toDate(?)
GROUP BY date, media_source, campaign, adset, ad, country))) AS b
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY g0, g1, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency))
GROUP BY g0, g1, y_currency LIMIT ?
  ← "EUR"
  ← "EUR"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← "2026-01-01"
  ← "2026-02-01"
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 50000

