-- The installs before each conversion with what they turned out to be, ordered, and
-- the one that an in-app event belongs to.
SELECT id, arraySort(p -> p.place, groupArray(tuple(place, received, digest, said, rejected))) AS installs,
    arrayFirst(p -> p.place.2 = any(carried), installs) AS own
FROM
(
    SELECT prior.id AS id, prior.place AS place, prior.received AS received, prior.digest AS digest, settled.settled AS said, rejected.rejected AS rejected, carried.carried AS carried
    FROM prior
    INNER JOIN settled ON settled.id = prior.install
    LEFT JOIN rejected ON rejected.id = prior.install
    LEFT JOIN carried ON carried.id = prior.id
)
GROUP BY id
