-- Openings of the app by anybody who comes back, once under each key: those that came
-- from a campaign are touches, of the others the variant that was received first.
SELECT key, time, id, received, digest, is_historical(marks) AS historical, keys FROM touch WHERE opened
UNION ALL
SELECT key, time, touch_id AS id, received, digest, false AS historical, keys FROM open_keys
WHERE app_id = {app:String} AND key_hash IN (SELECT hash FROM known) AND key IN (SELECT value FROM known)
    AND time > {first:Int64} AND time <= {last:Int64}
    AND (cityHash64(touch_id) NOT IN (SELECT id_hash FROM contested) OR (touch_id, (received, digest, time)) IN (SELECT id, first FROM variant))
LIMIT 1 BY key, touch_id
