SELECT media_source, paid, currency, toString(sum(credits)), toString(sum(shares)), '0' AS exact, '0' AS unknown
FROM (SELECT media_source, paid, currency, 0 AS day, sum(toInt128(credit)) AS credits, sum(toInt128(share)) AS shares FROM (
    SELECT has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, path_media_source AS media_source, credit, share
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND fraud_rule = '')
    ARRAY JOIN if(empty(touches_id), ['organic'], touches_media_source) AS path_media_source,
        if(empty(touches_id), [1000000], credit_linear) AS credit, if(empty(touches_id), [revenue], revenue_linear) AS share)
    GROUP BY media_source, paid, currency, day)
GROUP BY media_source, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT intDiv(time - touches_time[1], 86400000) AS days, count()
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND fraud_rule = ''
    AND notEmpty(touches_time)
GROUP BY days ORDER BY days LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT conversion_id, name, time, revenue, currency, outcome, media_source, campaign,
    touches_media_source[-1], touches_campaign[-1], length(touches_id)
FROM attributions FINAL
WHERE app_id = ? AND time >= ? AND time < ?
    AND fraud_rule = ''
ORDER BY time DESC, conversion_id DESC LIMIT ?
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

