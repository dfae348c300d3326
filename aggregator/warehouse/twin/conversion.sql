-- The wanted conversions and all installs that may precede them: of the variants
-- of an id the one that was received first, with the number of the settings that
-- stood at its time.
SELECT conversion_id AS id, wanted.asked AS asked, wanted.part AS part, time, received, digest, name, install,
    revenue, has_revenue, currency, click_id, referrer, withheld, install_begin, referrer_click, mark_bits(marks) AS own_marks, toUInt64(marks) AS raw_marks,
    arrayFilter(k -> NOT startsWith(k, 'fp:'), keys) AS person_keys,
    arrayFilter(k -> NOT startsWith(k, 'user:') AND NOT startsWith(k, 'click:'), person_keys) AS device_keys,
    arrayFilter(k -> startsWith(k, 'fp:'), keys) AS fingerprints,
    found.s AS s, received + settings.lateness AS deadline
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
