SELECT conversion_id, lower(hex(cityHash64(conversion_id))), name, time, revenue, currency, outcome, media_source, campaign,
    touches_media_source[indexOf(credit_linear, arrayMax(credit_linear))], touches_campaign[indexOf(credit_linear, arrayMax(credit_linear))], length(touches_id)
FROM attributions FINAL
WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?))
    AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?)
ORDER BY time DESC, lower(hex(cityHash64(conversion_id))) DESC LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← 51

SELECT conversion_id, lower(hex(cityHash64(conversion_id))), name, time, revenue, currency, outcome, media_source, campaign,
    touches_media_source[indexOf(credit_linear, arrayMax(credit_linear))], touches_campaign[indexOf(credit_linear, arrayMax(credit_linear))], length(touches_id)
FROM attributions FINAL
WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    AND conversion_id IN (SELECT conversion_id FROM conversions FINAL WHERE app_id = ? AND time >= ? AND time < ? AND country IN (?))
    AND hasAny(if(empty(touches_id), ['organic'], touches_media_source), ?)
    AND (time, lower(hex(cityHash64(conversion_id)))) < (?, ?)
ORDER BY time DESC, lower(hex(cityHash64(conversion_id))) DESC LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["DE","\\"]
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← 1767300000000
  ← "m'1"
  ← 11

SELECT country FROM conversion_ids
WHERE app_id = ? AND id_hash = cityHash64(?) AND conversion_id = ?
ORDER BY version DESC LIMIT 1
  ← "app-1"
  ← "m'1"
  ← "m'1"

