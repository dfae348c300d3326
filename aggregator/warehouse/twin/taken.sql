-- The clicks that each install names and that an earlier one took by naming them: it could
-- have come from them. Of several the first.
SELECT id, arraySort(groupArray((place, install))) AS taken
FROM
(
    SELECT c.id AS id, t.place AS place, argMin(p.id, (p.time, p.id)) AS install
    FROM (SELECT id, arrayJoin(touches) AS t FROM judged WHERE id IN (SELECT id FROM conversion WHERE install)) AS named
    INNER JOIN (SELECT id, time, deadline FROM conversion) AS c ON c.id = named.id
    INNER JOIN
    (
        SELECT of.id AS id, of.time AS time, of.received AS received, of.historical AS historical, took.place.2 AS touch
        FROM
        (
            SELECT id, arrayJoin(arrayFilter((t, r) -> (t.claimed OR t.named) AND t.kind != 'stated' AND t.before AND NOT t.withheld AND NOT t.direct AND NOT r AND NOT t.expired,
                touches, rejected)) AS took
            FROM judged
        ) AS j
        INNER JOIN (SELECT id, time, received, historical, withheld FROM conversion WHERE install) AS of ON of.id = j.id
        WHERE NOT of.withheld
    ) AS p ON p.touch = named.t.place.2
    WHERE named.t.shares_click AND (p.time, p.id) < (c.time, c.id) AND (p.received <= c.deadline OR p.historical)
    GROUP BY c.id, t.place
)
GROUP BY id
