SELECT uniqExact(event_id) FROM events FINAL
WHERE app_id = ? AND time >= ? AND time < ? AND media_source IN (?) AND country IN (?)
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]

SELECT kind_of, count() FROM (
    SELECT argMax(kind, version) AS kind_of FROM touches FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND media_source IN (?) AND country IN (?)
    AND (touch_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (touch_id, version) IN (SELECT touch_id, max(version) FROM touch_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY touch_id))
    GROUP BY touch_id)
GROUP BY kind_of ORDER BY kind_of
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← "app-1"
  ← "app-1"
  ← "app-1"

SELECT countIf(install AND conversion_id NOT IN (SELECT conversion_id FROM attributions WHERE app_id = ? AND time >= ? AND time < ?)), count() FROM (
    SELECT conversion_id, argMax(install, version) AS install FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?)
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?))
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    GROUP BY conversion_id)
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
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

SELECT countIf(x_new), countIf(x_new AND x_outcome = 'non_organic' AND NOT x_view), countIf(x_new AND x_view), countIf(x_new AND x_outcome = 'organic'),
    countIf(x_new AND x_outcome = 'unattributed'), countIf(x_outcome = 'reinstall'), countIf(x_outcome = 're_attribution')
FROM (SELECT conversion_id AS x_id, time AS x_at, touch_id AS x_touch, if(outcome = 'unattributed', 'unattributed', if(media_source = '', 'organic', media_source)) AS x_media_source,
    campaign AS x_campaign, adset AS x_adset, ad AS x_ad, keyword AS x_keyword, link_id AS x_link, toString(outcome) AS x_outcome, fraud_rule AS x_fraud,
    candidates_kind[indexOf(candidates_verdict, 'won')] = 'impression' AS x_view, outcome NOT IN ('reinstall', 're_attribution', 're_engagement') AS x_new
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND install) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
WHERE x_media_source IN (?) AND x_country IN (?)
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]

SELECT count()
FROM (SELECT argMin(conversion_id, (time, conversion_id)) AS x_id, min(retargeting_opened_at) AS x_at, any(retargeting_touch_id) AS x_touch, if(any(retargeting_media_source) = '', 'direct', any(retargeting_media_source)) AS x_media_source,
    any(retargeting_campaign) AS x_campaign, any(retargeting_adset) AS x_adset, any(retargeting_ad) AS x_ad, any(retargeting_keyword) AS x_keyword, any(retargeting_link_id) AS x_link
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND retargeting_open_id != ''
GROUP BY retargeting_open_id HAVING x_at >= ? AND x_at < ?) AS b
LEFT ANY JOIN (SELECT conversion_id AS x_id, argMax(country, version) AS x_country, argMax(untrusted, version) AS x_untrusted FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? GROUP BY conversion_id) AS c USING x_id
WHERE x_media_source IN (?) AND x_country IN (?)
  ← "app-1"
  ← 1767225600000
  ← 1780272000000
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]

SELECT called, count() AS n FROM (
    SELECT argMax(name, version) AS called, argMax(install, version) AS new FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?)
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?))
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    GROUP BY conversion_id)
WHERE NOT new GROUP BY called ORDER BY n DESC, called LIMIT ?
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
  ← 200

SELECT currency, toString(sum(amount)), '0' AS exact, '0' AS unknown, toString(sum(above)), toString(sum(claimed))
FROM (SELECT currency, 0 AS day, sum(toInt128(revenue)) AS amount, sum(toInt128(greatest(revenue, 0))) AS above, sumIf(toInt128(revenue), claim) AS claimed FROM (
    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid,
        argMax(untrusted, version) AS claim, argMax(time, version) AS at
    FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?)
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?))
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    GROUP BY conversion_id HAVING paid)
    GROUP BY currency, day
    UNION ALL SELECT currency, 0 AS day, -sum(toInt128(revenue)) AS amount, -sum(toInt128(greatest(revenue, 0))) AS above,
        -sumIf(toInt128(revenue), claim) AS claimed FROM (
    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid,
        argMax(untrusted, version) AS claim, argMax(time, version) AS at
    FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?)
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?))
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?) OR (conversion_id, version) IN (SELECT conversion_id, max(version) FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?) GROUP BY conversion_id))
    AND conversion_id IN (SELECT conversion_id FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND repeat_of != '')
    GROUP BY conversion_id HAVING paid)
    GROUP BY currency, day)
GROUP BY currency ORDER BY currency LIMIT ?
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
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT max(newest) FROM changed_hours
WHERE app_id = ? AND fact = 0
  ← "app-1"

