-- The hashes of touch ids that were used for more than one content. They are few, and
-- only for these it has to be found out which content counts.
SELECT id_hash FROM touch_ids
WHERE app_id = {app:String} AND id_hash IN
(
    SELECT cityHash64(touch_id) FROM touch_keys
    WHERE app_id = {app:String} AND key_hash IN (SELECT hash FROM known) AND time > {first:Int64} AND time <= {last:Int64}
    UNION ALL
    SELECT cityHash64(touch_id) FROM open_keys
    WHERE app_id = {app:String} AND key_hash IN (SELECT hash FROM known) AND time > {first:Int64} AND time <= {last:Int64}
)
GROUP BY id_hash HAVING min((received, digest, time)) != max((received, digest, time))
