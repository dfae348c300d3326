-- The weights, those in doubt by the series of e^(−y) in fixed point with 120 bits.
SELECT id, s, n, value, quick AS weights FROM weight WHERE NOT doubtful
UNION ALL
SELECT id, s, n, value, exact AS weights
FROM
(
    SELECT id, s, n, value,
        toUInt256(bitShiftLeft(toUInt256(1), 120)) AS one,
        toUInt256('4350955369971217654477563090224794165364344896676135745069') AS ln2, -- ⌊ln 2 · 2^192⌋
        arrayMap(h -> least(h, 49), halvings) AS shifts,
        arrayMap(age -> bitShiftRight(intDiv(ln2 * (age % half_life), half_life), 72), ages) AS exponents,
        arrayFold((sum, k) -> arrayMap((s, y) -> toUInt256(one - intDiv(bitShiftRight(y * s, 120), k)), sum, exponents),
            arrayReverse(range(1, 33)), arrayMap(y -> one, exponents)) AS powers,
        arrayMap((p, h) -> toUInt64(bitShiftRight(p, 72 + h)), powers, shifts) AS exact,
        -- Right to within some units of 2^-120. Where even that leaves the floor open there is no answer.
        throwIf(arrayExists((p, y, h) -> y > 0 AND h < 49 AND
                bitAnd(p + 64, bitShiftLeft(toUInt256(1), 72 + h) - 1) < 128, powers, exponents, shifts),
            'time decay is too close to a whole number for 120 bits') AS doubt
    FROM weight
    WHERE doubtful
)
