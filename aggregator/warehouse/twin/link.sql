-- Links between keys that anybody could have, in both directions: of each key those
-- that are followed from it. Nothing is followed from a click.
SELECT a, b, min(received) AS since FROM identity_links
WHERE app_id = {app:String} AND a_hash IN (SELECT hash FROM known) AND a IN (SELECT value FROM known) AND a != b AND NOT startsWith(a, 'click:')
GROUP BY a, b
ORDER BY a, since, b LIMIT {max_links:UInt32} BY a
