SELECT uniqExact(event_id) FROM events FINAL
WHERE app_id = ? AND time >= ? AND time < ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

SELECT kind_of, count() FROM (
    SELECT argMax(kind, version) AS kind_of FROM touches FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (touch_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?)
        OR touch_id IN (SELECT touch_id FROM touch_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?)
            GROUP BY touch_id HAVING argMax(time, version) >= ? AND argMax(time, version) < ?))
    GROUP BY touch_id)
GROUP BY kind_of ORDER BY kind_of
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

SELECT countIf(install), count() FROM (
    SELECT argMax(install, version) AS install FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?)
        OR conversion_id IN (SELECT conversion_id FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?)
            GROUP BY conversion_id HAVING argMax(time, version) >= ? AND argMax(time, version) < ?))
    GROUP BY conversion_id)
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

SELECT currency, toString(sum(amount)), '0' AS exact, '0' AS unknown
FROM (SELECT currency, 0 AS day, sum(toInt128(revenue)) AS amount FROM (
    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid, argMax(time, version) AS at
    FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    AND (conversion_id NOT IN (SELECT event_id FROM event_id_conflicts WHERE app_id = ?)
        OR conversion_id IN (SELECT conversion_id FROM conversion_ids WHERE app_id = ? AND id_hash IN (SELECT cityHash64(event_id) FROM event_id_conflicts WHERE app_id = ?)
            GROUP BY conversion_id HAVING argMax(time, version) >= ? AND argMax(time, version) < ?))
    GROUP BY conversion_id HAVING paid)
    GROUP BY currency, day)
GROUP BY currency ORDER BY currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← "app-1"
  ← "app-1"
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT max(received) FROM events
WHERE app_id = ?
  ← "app-1"

