-- The touches that the rules reject for each install, ordered.
SELECT id, arrayMap(r -> (r.1.2, r.2), arraySort(r -> r.1, arrayFilter(r -> r.2 != '', arrayConcat(
    arrayMap((t, h) -> (t.place, if(t.before AND NOT t.withheld AND NOT t.direct AND (t.kind != 'stated' OR t.place.2 = id) AND rejects[1 + h], rule[1 + h], '')), touches, holds),
    arrayMap(t -> (t.place, if(NOT t.withheld AND NOT t.direct AND t.kind != 'stated' AND rejects[1 + t.holds], rule[1 + t.holds], '')), probables))))) AS rejected
FROM seen
INNER JOIN (SELECT id, withheld FROM conversion WHERE install) AS c USING (id)
WHERE NOT c.withheld
