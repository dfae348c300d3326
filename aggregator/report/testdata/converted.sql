SELECT currency, toString(sum(amount)), toString(sum(toInt256(amount) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(amount, currency != ? AND rate = 0)) AS unknown
FROM (SELECT currency, toInt32(intDiv(at, 86400000)) AS day, sum(toInt128(revenue)) AS amount FROM (
    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid, argMax(time, version) AS at
    FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?)
        OR conversion_id IN (SELECT conversion_id FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?)
            GROUP BY conversion_id HAVING argMax(time, version) >= ? AND argMax(time, version) < ?))
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
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT quarter, currency, toString(sum(amount)), toString(sum(toInt256(amount) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(amount, currency != ? AND rate = 0)) AS unknown
FROM (SELECT intDiv(at, ?) AS quarter, currency, toInt32(intDiv(at, 86400000)) AS day, sum(toInt128(revenue)) AS amount FROM (
    SELECT argMax(time, version) AS at, argMax(currency, version) AS currency, argMax(revenue, version) AS revenue,
        argMax(has_revenue, version) AS paid FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?)
        OR conversion_id IN (SELECT conversion_id FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?)
            GROUP BY conversion_id HAVING argMax(time, version) >= ? AND argMax(time, version) < ?))
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
  ← 1767225600000
  ← 1769904000000
  ← 1000000

SELECT media_source, paid, currency, toString(sum(credits)), toString(sum(shares)), toString(sum(toInt256(shares) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(shares, currency != ? AND rate = 0)) AS unknown
FROM (SELECT media_source, paid, currency, toInt32(intDiv(time, 86400000)) AS day, sum(toInt128(credit)) AS credits, sum(toInt128(share)) AS shares FROM (
    SELECT has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, path_media_source AS media_source, credit, share
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?)
    ARRAY JOIN if(empty(touches_id), ['organic'], touches_media_source) AS path_media_source,
        if(empty(touches_id), [1000000], credit_linear) AS credit, if(empty(touches_id), [revenue], revenue_linear) AS share)
    GROUP BY media_source, paid, currency, day) AS summed
LEFT ANY JOIN day_rates USING (day, currency)
GROUP BY media_source, paid, currency LIMIT ?
  ← "USD"
  ← "USD"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT channels, paid, currency, toInt64(sum(n)), toString(sum(amount)), toString(sum(toInt256(amount) * if(currency = ?, toInt256('1000000000000000000'), toInt256(rate)))) AS exact, toString(sumIf(amount, currency != ? AND rate = 0)) AS unknown
FROM (SELECT channels, paid, currency, toInt32(intDiv(time, 86400000)) AS day, count() AS n, sum(toInt128(revenue)) AS amount FROM (
    SELECT arrayCompact(touches_media_source) AS channels, has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, revenue
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?))
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

