SELECT path, sum(n) AS conversions, groupArrayIf(currency, paid), groupArrayIf(n, paid), groupArrayIf(toString(sums), paid), groupArrayIf(exact, paid), groupArrayIf(unknown, paid) FROM (
    SELECT path, paid, currency, sum(n) AS n, sum(amount) AS sums, '0' AS exact, '0' AS unknown
    FROM (SELECT touches_media_source AS path, has_revenue AS paid, currency, 0 AS day, count() AS n, sum(toInt128(revenue)) AS amount
    FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    GROUP BY path, paid, currency, day)
    GROUP BY path, paid, currency ORDER BY path, currency)
GROUP BY path ORDER BY conversions DESC, path LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50

SELECT length(touches_id) AS touches, count()
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
GROUP BY touches ORDER BY touches LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT intDiv(time - touches_time[1], 86400000) AS days, count()
FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?
    AND repeat_of = ''
    AND notEmpty(touches_time)
GROUP BY days ORDER BY days LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

