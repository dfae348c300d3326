-- Powers of two for the stage weight: of row place, 2^(−i/256^place) for i = 0 … 255 in
-- units of 2^-63, rounded down, by the series of e^(−y) in fixed point with 120 bits,
-- innermost term first. Nothing here is floating point.
SELECT place,
    toUInt256(bitShiftLeft(toUInt256(1), 120)) AS one,
    toUInt256('4350955369971217654477563090224794165364344896676135745069') AS ln2, -- ⌊ln 2 · 2^192⌋
    arrayMap(i -> bitShiftRight(ln2 * i, 72 + 8 * place), range(256)) AS exponents,
    arrayFold((sum, k) -> arrayMap((s, y) -> toUInt256(one - intDiv(bitShiftRight(y * s, 120), k)), sum, exponents),
        arrayReverse(range(1, 33)), arrayMap(y -> one, exponents)) AS sums,
    arrayMap(s -> toUInt64(bitShiftRight(s, 57)), sums) AS powers
FROM (SELECT toUInt8(arrayJoin([1, 2, 3, 4])) AS place)
