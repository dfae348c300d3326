SELECT path, sum(n) AS conversions, groupArrayIf(money, paid), groupArrayIf(toString(amount), paid) FROM (
    SELECT touches_media_source AS path, has_revenue AS paid, if(has_revenue, currency, '') AS money, count() AS n, sum(toInt128(revenue)) AS amount
    FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?))
    AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?)
    GROUP BY path, paid, money ORDER BY path, money)
GROUP BY path ORDER BY conversions DESC, path LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← 50

SELECT length(touches_id) AS touches, count()
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?))
    AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?)
GROUP BY touches ORDER BY touches LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← 50000

SELECT intDiv(time - touches_time[1], 86400000) AS days, count()
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?))
    AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?)
    AND notEmpty(touches_time)
GROUP BY days ORDER BY days LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← 50000

