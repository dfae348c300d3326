SELECT currency, toString(sum(amount)), toString(sum(toInt256(amount) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(amount, currency != ? AND rate = 0)) AS unknown, toString(sum(above)), toString(sum(claimed))
FROM (SELECT currency, toInt32(intDiv(at, 86400000)) AS day, sum(toInt128(revenue)) AS amount, sum(toInt128(greatest(revenue, 0))) AS above, sumIf(toInt128(revenue), claim) AS claimed FROM (
    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid,
        argMax(untrusted, version) AS claim, argMax(time, version) AS at
    FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    GROUP BY conversion_id HAVING paid)
    GROUP BY currency, day
    UNION ALL SELECT currency, toInt32(intDiv(at, 86400000)) AS day, -sum(toInt128(revenue)) AS amount, -sum(toInt128(greatest(revenue, 0))) AS above,
        -sumIf(toInt128(revenue), claim) AS claimed FROM (
    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid,
        argMax(untrusted, version) AS claim, argMax(time, version) AS at
    FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of != '')
    GROUP BY conversion_id HAVING paid)
    GROUP BY currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency)
GROUP BY currency ORDER BY currency LIMIT ?
  ← "USD"
  ← "USD"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT quarter, currency, toString(sum(amount)), toString(sum(toInt256(amount) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(amount, currency != ? AND rate = 0)) AS unknown
FROM (SELECT intDiv(at, ?) AS quarter, currency, toInt32(intDiv(at, 86400000)) AS day, sum(toInt128(revenue)) AS amount FROM (
    SELECT argMax(time, version) AS at, argMax(currency, version) AS currency, argMax(revenue, version) AS revenue,
        argMax(has_revenue, version) AS paid FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    GROUP BY conversion_id HAVING paid)
    GROUP BY quarter, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency)
GROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?
  ← "USD"
  ← "USD"
  ← 900000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1000000

SELECT g0, paid, currency, toString(sum(credits)), toString(sum(shares)), toString(sum(toInt256(shares) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(shares, currency != ? AND rate = 0)) AS unknown
FROM (SELECT x_media_source AS g0, x_paid AS paid, x_currency AS currency, toInt32(intDiv(x_at, 86400000)) AS day, sum(toInt128(credit_linear_of)) AS credits, sum(toInt128(revenue_linear_of)) AS shares
FROM (SELECT conversion_id AS x_id, time AS x_at, has_revenue AS x_paid, if(has_revenue, currency, '') AS x_currency, touches_media_source AS x_path, length(touches_id) AS x_steps, x_place, x_touch, if(y_source = '', 'direct', y_source) AS x_media_source, x_campaign, x_adset, x_ad, x_keyword, x_link, credit_linear_of, revenue_linear_of
FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of = '')
ARRAY JOIN if(empty(touches_id), [''], touches_id) AS x_touch, if(empty(touches_id), ['organic'], touches_media_source) AS y_source, if(empty(touches_id), [1], arrayEnumerate(touches_id)) AS x_place, if(empty(touches_id), [''], touches_campaign) AS x_campaign, if(empty(touches_id), [''], touches_adset) AS x_adset, if(empty(touches_id), [''], touches_ad) AS x_ad, if(empty(touches_id), [''], touches_keyword) AS x_keyword, if(empty(touches_id), [''], touches_link_id) AS x_link,
    if(empty(touches_id), [1000000], credit_linear) AS credit_linear_of, if(empty(touches_id), [revenue], revenue_linear) AS revenue_linear_of) AS b
GROUP BY g0, paid, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency)
GROUP BY g0, paid, currency LIMIT ?
  ← "USD"
  ← "USD"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT channels, paid, currency, toInt64(sum(n)), toString(sum(amount)), toString(sum(toInt256(amount) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(amount, currency != ? AND rate = 0)) AS unknown
FROM (SELECT channels, paid, currency, toInt32(intDiv(time, 86400000)) AS day, count() AS n, sum(toInt128(revenue)) AS amount FROM (
    SELECT arrayCompact(touches_media_source) AS channels, has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, revenue
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''))
    GROUP BY channels, paid, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency)
GROUP BY channels, paid, currency LIMIT ?
  ← "USD"
  ← "USD"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT path, sum(n) AS conversions, groupArrayIf(currency, paid), groupArrayIf(n, paid), groupArrayIf(toString(sums), paid), groupArrayIf(exact, paid), groupArrayIf(unknown, paid) FROM (
    SELECT path, paid, currency, sum(n) AS n, sum(amount) AS sums, toString(sum(toInt256(amount) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(amount, currency != ? AND rate = 0)) AS unknown
    FROM (SELECT touches_media_source AS path, has_revenue AS paid, currency, toInt32(intDiv(time, 86400000)) AS day, count() AS n, sum(toInt128(revenue)) AS amount
    FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    GROUP BY path, paid, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency)
    GROUP BY path, paid, currency ORDER BY path, currency)
GROUP BY path ORDER BY conversions DESC, path LIMIT ?
  ← "USD"
  ← "USD"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50

