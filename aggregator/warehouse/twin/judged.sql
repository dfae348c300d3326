-- What the rules say of each touch. What they rejected for an earlier install of the
-- person stays rejected.
SELECT id, truncated, touches, probables,
    arrayMap(t -> arrayFirst(b -> b.1 = t.place.2, barred).2, touches) AS before,
    arrayMap(t -> arrayFirst(b -> b.1 = t.place.2, barred).2, probables) AS probable_before,
    arrayMap((h, b) -> rejects[1 + h] OR b != '', holds, before) AS rejected,
    arrayMap((h, b) -> if(rejects[1 + h] OR b = '', rule[1 + h], b), holds, before) AS fraud,
    arrayMap((t, b) -> rejects[1 + t.holds] OR b != '', probables, probable_before) AS probable_rejected,
    arrayMap((t, b) -> if(rejects[1 + t.holds] OR b = '', rule[1 + t.holds], b), probables, probable_before) AS probable_fraud
FROM (SELECT id, truncated, touches, probables, holds, rule, rejects FROM seen) AS seen
LEFT JOIN
(
    SELECT prior.id AS id, arrayFlatten(arrayMap(p -> p.2, arraySort(p -> p.1, groupArray((prior.place, rejected.rejected))))) AS barred
    FROM prior INNER JOIN rejected ON rejected.id = prior.install
    GROUP BY prior.id
) AS b USING (id)
