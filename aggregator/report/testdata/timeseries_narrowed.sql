SELECT intDiv(at, ?) AS quarter, '' AS currency, toString(count()), '0', '0' FROM (
    SELECT argMax(time, version) AS at FROM events FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND media_source IN (?) AND country IN (?)
    GROUP BY event_id)
GROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?
  ← 900000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 1000000

SELECT intDiv(at, ?) AS quarter, '' AS currency, toString(count()), '0', '0' FROM (
    SELECT argMax(time, version) AS at, argMax(kind, version) AS kind_of FROM touches FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND media_source IN (?) AND country IN (?)
    AND (touch_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (touch_id, version) IN (SELECT touch_id, max(version) FROM touch_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY touch_id))
    GROUP BY touch_id HAVING kind_of = 'click')
GROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?
  ← 900000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1000000

SELECT intDiv(at, ?) AS quarter, '' AS currency, toString(count()), '0', '0' FROM (
    SELECT argMax(time, version) AS at, argMax(kind, version) AS kind_of FROM touches FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND media_source IN (?) AND country IN (?)
    AND (touch_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (touch_id, version) IN (SELECT touch_id, max(version) FROM touch_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY touch_id))
    GROUP BY touch_id HAVING kind_of = 'impression')
GROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?
  ← 900000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1000000

SELECT intDiv(x_at, ?) AS quarter, '' AS currency, toString(countIf(x_new)), '0', '0'
FROM (SELECT conversion_id AS x_id, time AS x_at, touch_id AS x_touch, if(outcome = 'unattributed', 'unattributed', if(media_source = '', 'organic', media_source)) AS x_media_source,
    campaign AS x_campaign, adset AS x_adset, ad AS x_ad, keyword AS x_keyword, link_id AS x_link, toString(outcome) AS x_outcome, fraud_rule AS x_fraud,
    candidates_kind[indexOf(candidates_verdict, 'won')] = 'impression' AS x_view, outcome NOT IN ('reinstall', 're_attribution', 're_engagement') AS x_new
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND install) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
WHERE x_media_source IN (?) AND x_country IN (?)
GROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?
  ← 900000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 1000000

SELECT intDiv(at, ?) AS quarter, '' AS currency, toString(count()), '0', '0' FROM (
    SELECT argMax(time, version) AS at FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?)
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?))
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    GROUP BY conversion_id)
GROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?
  ← 900000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1000000

SELECT quarter, currency, toString(sum(amount)), '0' AS exact, '0' AS unknown
FROM (SELECT intDiv(at, ?) AS quarter, currency, 0 AS day, sum(toInt128(revenue)) AS amount FROM (
    SELECT argMax(time, version) AS at, argMax(currency, version) AS currency, argMax(revenue, version) AS revenue,
        argMax(has_revenue, version) AS paid FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?)
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?))
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    GROUP BY conversion_id HAVING paid)
    GROUP BY quarter, currency, day)
GROUP BY quarter, currency ORDER BY quarter, currency LIMIT ?
  ← 900000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1000000

