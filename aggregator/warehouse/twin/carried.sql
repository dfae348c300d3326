-- The install that each in-app event belongs to: the latest one on its device, else
-- the latest of its person.
SELECT id, argMax(install, (on_device, place)) AS carried, max((on_device, place)).2.1 AS carried_time
FROM prior
WHERE id IN (SELECT id FROM conversion WHERE NOT install)
GROUP BY id
