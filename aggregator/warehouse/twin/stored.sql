-- The wanted conversions, all installs that may precede them or that name the same
-- click, and all conversions that name the same order: of the variants of an id the one
-- that was received first, with the number of the settings that stood at its time.
SELECT conversion_id AS id, wanted.asked AS asked, wanted.part AS part, time, received, digest, name, install,
    revenue, has_revenue, currency, untrusted, click_id, referrer, withheld, install_begin, referrer_click, marks, keys,
    arrayFirst(k -> startsWith(k, 'order:'), keys) AS order_key, is_historical(marks) AS historical,
    found.s AS s, if(historical, {never:Int64}, received + settings.lateness) AS deadline
FROM
(
    SELECT *, toUInt32(greatest(arrayLastIndex(f -> f <= time, {from:Array(Int64)}), 1)) AS s
    FROM conversion_ids
    WHERE app_id = {app:String} AND id_hash IN (SELECT hash FROM wanted) AND conversion_id IN (SELECT value FROM wanted)
    ORDER BY conversion_id, received, digest, time
    LIMIT 1 BY conversion_id
) AS found
INNER JOIN wanted ON wanted.value = found.conversion_id
INNER JOIN settings ON settings.s = found.s
