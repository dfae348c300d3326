-- Of contested ids the variant that was received first.
SELECT touch_id AS id, min((received, digest, time)) AS first
FROM touch_ids
WHERE app_id = {app:String} AND id_hash IN (SELECT id_hash FROM contested)
GROUP BY touch_id
