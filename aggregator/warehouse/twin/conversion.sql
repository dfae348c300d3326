-- Each conversion with what it is attributed by: itself, or for a refund its order.
SELECT c.id AS id, c.asked AS asked, c.part AS part, c.name AS name, c.revenue AS revenue, c.has_revenue AS has_revenue, c.currency AS currency,
    c.untrusted AS untrusted, c.historical AS historical, substring(c.order_key, 7) AS order_id,
    c.time AS own_time, c.received AS own_received, c.digest AS own_digest, toUInt64(c.marks) AS raw_marks,
    a.about AS about, o.time AS about_time, o.received AS about_received, o.digest AS about_digest,
    a.about != '' AND c.revenue >= 0 AS repeats,
    a.about != '' AND c.revenue < 0 AS returns_money,
    if(returns_money, o.id, c.id) AS basis,
    if(returns_money, o.time, c.time) AS time, if(returns_money, o.received, c.received) AS received, if(returns_money, o.digest, c.digest) AS digest,
    if(returns_money, o.deadline, c.deadline) AS deadline, if(returns_money, o.s, c.s) AS s, c.install AS install,
    if(returns_money, o.click_id, c.click_id) AS click_id, if(returns_money, o.referrer, c.referrer) AS referrer,
    if(returns_money, o.withheld, c.withheld) AS withheld, c.install_begin AS install_begin, c.referrer_click AS referrer_click,
    mark_bits(c.marks) AS own_marks,
    if(returns_money, o.keys, c.keys) AS all_keys,
    arrayFilter(k -> NOT match(k, '^(click|order|fp):'), all_keys) AS person_keys,
    arrayFilter(k -> NOT startsWith(k, 'user:'), person_keys) AS device_keys,
    arrayFilter(k -> startsWith(k, 'click:'), all_keys) AS click_keys,
    arrayFilter(k -> startsWith(k, 'fp:'), all_keys) AS fingerprints
FROM stored AS c
LEFT JOIN about AS a ON a.id = c.id
LEFT JOIN stored AS o ON o.id = a.about
