-- The order that a refund gives money back for, or that an order repeats: the first
-- before it that was on time.
SELECT c.id AS id, argMin(o.id, (o.time, o.id)) AS about
FROM stored AS c
INNER JOIN stored AS o ON o.order_key = c.order_key
INNER JOIN settings ON settings.s = c.s
WHERE c.order_key != '' AND NOT c.install AND NOT o.install AND o.revenue >= 0 AND o.id != c.id
    AND (o.time, o.id) < (c.time, c.id) AND (o.received <= c.deadline OR o.historical)
    AND (c.revenue < 0 OR settings.orders_once AND o.name = c.name)
GROUP BY c.id
