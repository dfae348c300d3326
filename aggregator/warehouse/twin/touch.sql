-- Touches that anybody could have, once under each key; of each id the variant
-- that was received first.
SELECT key, time, touch_id AS id, received, digest, kind, media_source, medium, campaign, adset, ad, keyword, link_id, click_id,
    retargeting, withheld, opened, marks, keys,
    media_source IN ('direct', 'Direct', '(direct)') AND campaign = '' AND link_id = ''
        OR media_source = '' AND kind = 'visit' AND medium = '' AND campaign = '' AND click_id = '' AND link_id = '' AS direct
FROM touch_keys
WHERE app_id = {app:String} AND key_hash IN (SELECT hash FROM known) AND key IN (SELECT value FROM known)
    AND time > {first:Int64} AND time <= {last:Int64}
    AND (cityHash64(touch_id) NOT IN (SELECT id_hash FROM contested) OR (touch_id, (received, digest, time)) IN (SELECT id, first FROM variant))
LIMIT 1 BY key, touch_id
