WITH late AS
(
    SELECT touch_id, source, campaign_of, kind_of, at, stamp, arrayJoin(if(empty(known), [''], known)) AS key FROM
    (
        SELECT touch_id, argMax(media_source, version) AS source, argMax(campaign, version) AS campaign_of, argMax(kind, version) AS kind_of,
            argMax(time, version) AS at, argMax(received, version) AS stamp, argMax(keys, version) AS known
        FROM touches FINAL
        WHERE app_id = ? AND time >= ? AND time < ? AND media_source IN (?) AND country IN (?) AND received - time > ?
        GROUP BY touch_id HAVING kind_of != 'open'
    )
)
SELECT if(source = '', 'unknown', source) AS media_source, kind_of, uniqExact(touch_id) AS touches, uniqExactIf(conversion_id, conversion_id != '' AND made >= at AND made < at + ? AND stamp > made_known + ?), max(stamp - at)
FROM late
LEFT JOIN
(
    SELECT key, conversion_id, time AS made, received AS made_known FROM conversion_keys FINAL
    WHERE app_id = ? AND key_hash IN (SELECT cityHash64(key) FROM late) AND time >= ? AND time < ?
) AS made_by ON made_by.key = late.key
GROUP BY media_source, kind_of ORDER BY touches DESC, media_source, kind_of LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 604800000
  ← 2592000000
  ← 604800000
  ← "app-1"
  ← 1767225600000
  ← 1772496000000
  ← 50000

WITH late AS
(
    SELECT touch_id, source, campaign_of, kind_of, at, stamp, arrayJoin(if(empty(known), [''], known)) AS key FROM
    (
        SELECT touch_id, argMax(media_source, version) AS source, argMax(campaign, version) AS campaign_of, argMax(kind, version) AS kind_of,
            argMax(time, version) AS at, argMax(received, version) AS stamp, argMax(keys, version) AS known
        FROM touches FINAL
        WHERE app_id = ? AND time >= ? AND time < ? AND media_source IN (?) AND country IN (?) AND received - time > ?
        GROUP BY touch_id HAVING kind_of != 'open'
        ORDER BY stamp DESC, touch_id LIMIT ?
    )
)
SELECT touch_id, any(kind_of), any(source), any(campaign_of), any(at), any(stamp) AS arrived, uniqExactIf(conversion_id, conversion_id != '' AND made >= at AND made < at + ? AND stamp > made_known + ?)
FROM late
LEFT JOIN
(
    SELECT key, conversion_id, time AS made, received AS made_known FROM conversion_keys FINAL
    WHERE app_id = ? AND key_hash IN (SELECT cityHash64(key) FROM late) AND time >= ? AND time < ?
) AS made_by ON made_by.key = late.key
GROUP BY touch_id ORDER BY arrived DESC, touch_id
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← ["Google Ads","'); DROP TABLE events; --"]
  ← ["DE","\\"]
  ← 604800000
  ← 501
  ← 2592000000
  ← 604800000
  ← "app-1"
  ← 1767225600000
  ← 1772496000000

SELECT uniqExact(event_id) FROM event_id_conflicts FINAL
WHERE app_id = ? AND received >= ? AND received < ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

