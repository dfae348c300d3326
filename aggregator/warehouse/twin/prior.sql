-- The installs before each conversion that its person has and that were on time.
SELECT c.id AS id, p.id AS install, any((p.time, p.id)) AS place, any(p.received) AS received, any(p.digest) AS digest,
    any(hasAny(p.device_keys, c.device_keys)) AS on_device
FROM
(
    SELECT id, basis, time, deadline, device_keys, arrayJoin(reached) AS key
    FROM conversion INNER JOIN person USING (id)
) AS c
INNER JOIN (SELECT id, time, received, digest, historical, device_keys, arrayJoin(person_keys) AS key FROM conversion WHERE install) AS p ON p.key = c.key
WHERE (p.time, p.id) < (c.time, c.basis) AND (p.received <= c.deadline OR p.historical)
GROUP BY c.id, p.id
