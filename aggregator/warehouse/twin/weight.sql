-- The weight of each touch under time decay, ⌊2^48 · 2^(−age/H)⌋, age being counted
-- from the last touch. The part of age/H below 1 is a binary fraction of 64 bits: one
-- factor for each of its first four bytes, and 1 − x·ln 2 for the rest. That is right
-- to within 16 units of 2^-63; where this leaves the floor open the weight is in doubt.
SELECT id, s, n, value, ages, half_life,
    arrayMap(age -> intDiv(age, half_life), ages) AS halvings,
    arrayMap(age -> toUInt64(intDiv(bitShiftLeft(toUInt128(age % half_life), 64), half_life)), ages) AS fractions,
    arrayMap(f -> toUInt64(bitShiftRight(toUInt128((SELECT powers FROM powers WHERE place = 1)[bitShiftRight(f, 56) + 1])
        * (SELECT powers FROM powers WHERE place = 2)[bitAnd(bitShiftRight(f, 48), 255) + 1], 63)), fractions) AS upper,
    arrayMap(f -> toUInt64(bitShiftRight(toUInt128((SELECT powers FROM powers WHERE place = 3)[bitAnd(bitShiftRight(f, 40), 255) + 1])
        * (SELECT powers FROM powers WHERE place = 4)[bitAnd(bitShiftRight(f, 32), 255) + 1], 63)), fractions) AS lower,
    -- ⌊ln 2 · 2^63⌋ is 6393154322601327829.
    arrayMap(f -> toUInt64(bitShiftLeft(toUInt64(1), 63) - bitShiftRight(toUInt128(bitAnd(f, 4294967295)) * 6393154322601327829, 64)), fractions) AS rest,
    arrayMap((u, l, r) -> toUInt64(bitShiftRight(toUInt128(bitShiftRight(toUInt128(u) * l, 63)) * r, 63)), upper, lower, rest) AS power,
    arrayMap((p, h) -> if(h > 48, 0, bitShiftRight(p, 15 + least(h, 48))), power, halvings) AS quick,
    arrayExists((p, h, age) -> h <= 48 AND age % half_life != 0
        AND bitAnd(p + 16, bitShiftLeft(toUInt64(1), 15 + least(h, 48)) - 1) < 32, power, halvings, ages) AS doubtful
FROM
(
    SELECT path.id AS id, path.s AS s, path.n AS n, path.value AS value, terms.half_life AS half_life,
        arrayMap(t -> toUInt64(path.times[-1] - t), path.times) AS ages
    FROM path INNER JOIN terms ON terms.s = path.s
    WHERE path.n > 0
)
