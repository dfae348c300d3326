SELECT uniqExact(event_id) FROM events FINAL
WHERE app_id = ? AND time >= ? AND time < ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

SELECT kind_of, count() FROM (
    SELECT argMax(kind, version) AS kind_of FROM touches FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    GROUP BY touch_id)
GROUP BY kind_of ORDER BY kind_of
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

SELECT countIf(install), count() FROM (
    SELECT argMax(install, version) AS install FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    GROUP BY conversion_id)
  ← "app-1"
  ← 1767225600000
  ← 1769904000000

SELECT currency, toString(sum(amount)), '0', '0'
FROM (SELECT currency, 0 AS day, sum(toInt128(revenue)) AS amount FROM (
    SELECT argMax(currency, version) AS currency, argMax(revenue, version) AS revenue, argMax(has_revenue, version) AS paid, argMax(time, version) AS at
    FROM conversions FINAL
    WHERE app_id = ? AND time >= ? AND time < ?
    GROUP BY conversion_id HAVING paid)
    GROUP BY currency, day)
GROUP BY currency ORDER BY currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT max(received) FROM events
WHERE app_id = ?
  ← "app-1"

