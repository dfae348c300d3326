-- Every model shares the credit and the revenue by largest remainder: the floors,
-- and one more for each of the greatest remainders, the later of equal ones.
SELECT id, arraySort(groupArrayIf((model, shares), kind = 1)) AS credits, arraySort(groupArrayIf((model, shares), kind = 2)) AS revenues
FROM
(
    SELECT id, model, kind,
        arraySum(weights) AS whole,
        arrayMap(w -> toUInt64(intDiv(toUInt128(amount) * w, whole)), weights) AS floors,
        arrayMap(w -> toUInt64((toUInt128(amount) * w) % whole), weights) AS remainders,
        amount - arraySum(floors) AS units,
        arrayReverseSort((i, r) -> (r, i), arrayEnumerate(remainders), remainders) AS ranking,
        arraySort((rank, i) -> i, arrayEnumerate(ranking), ranking) AS ranks,
        arrayMap((f, rank) -> f + toUInt64(rank <= units), floors, ranks) AS shares
    FROM
    (
        SELECT id, arrayMap(x -> toUInt64(x), range(1, n + 1)) AS i,
            terms.position_first AS first, terms.position_middle AS middle, terms.position_last AS last,
            [
                arrayMap(x -> toUInt64(x = 1), i),
                arrayMap(x -> toUInt64(x = n), i),
                arrayMap(x -> toUInt64(1), i),
                weights,
                arrayMap(x -> toUInt64(multiIf(
                    n = 1, 1,
                    n = 2 AND first + last = 0, 1,
                    n = 2, if(x = 1, first, last),
                    x = 1, first * (n - 2),
                    x = n, last * (n - 2),
                    middle)), i)
            ] AS models,
            [toUInt64(1000000), toUInt64(abs(value))] AS amounts
        FROM decay INNER JOIN terms ON terms.s = decay.s
    )
    ARRAY JOIN models AS weights, arrayEnumerate(models) AS model
    ARRAY JOIN amounts AS amount, arrayEnumerate(amounts) AS kind
)
GROUP BY id
