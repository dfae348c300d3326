-- Links between keys that anybody could have, in both directions.
SELECT a, b, min(received) AS since FROM identity_links
WHERE app_id = {app:String} AND a_hash IN (SELECT hash FROM known) AND a IN (SELECT value FROM known) AND a != b
GROUP BY a, b
