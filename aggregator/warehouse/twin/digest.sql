-- How many inputs each conversion had, and their digest.
SELECT c.id AS id, terms.generation AS generation,
    toUInt32(length(seen.touches) + length(joined.links) + length(told.installs) + length(seen.probables) + length(opened.openings)) AS inputs,
    xxHash64(concat(
        number(toUInt64({revision:UInt64})), number(generation), text(c.id), number(c.own_time), number(c.own_received), number(c.own_digest), number(c.raw_marks),
        number(length(seen.touches)),
        arrayStringConcat(arrayMap(t -> concat(text(t.place.2), number(t.place.1), number(t.received), number(t.digest), number(t.stamp)), seen.touches)),
        number(length(joined.links)),
        arrayStringConcat(arrayMap(l -> concat(text(l.1), text(l.2)), joined.links)),
        number(length(told.installs)),
        arrayStringConcat(arrayMap(p -> concat(text(p.place.2), number(p.place.1), number(p.received), number(p.digest),
            text(p.said.1), text(p.said.2), text(p.said.3), text(p.said.4),
            text(p.said.5), text(p.said.6), text(p.said.7), text(p.said.8), text(p.said.9), text(p.said.10), text(p.said.11),
            number(length(p.rejected)), arrayStringConcat(arrayMap(r -> concat(text(r.1), text(r.2)), p.rejected))), told.installs)),
        number(length(taken.taken)),
        arrayStringConcat(arrayMap(t -> concat(text(t.1.2), text(t.2)), taken.taken)),
        number(length(seen.probables)),
        arrayStringConcat(arrayMap(t -> concat(text(t.place.2), number(t.place.1), number(t.received), number(t.digest), number(t.stamp)), seen.probables)),
        number(length(opened.openings)),
        arrayStringConcat(arrayMap(o -> concat(text(o.1.2), number(o.1.1), number(o.2), number(o.3)), opened.openings)),
        if(c.about = '', number(toUInt64(0)), concat(number(toUInt64(1)), text(c.about), number(c.about_time), number(c.about_received), number(c.about_digest))))) AS input_digest
FROM conversion AS c
INNER JOIN terms ON terms.s = c.s
LEFT JOIN seen ON seen.id = c.id
LEFT JOIN joined ON joined.id = c.id
LEFT JOIN told ON told.id = c.id
LEFT JOIN opened ON opened.id = c.id
LEFT JOIN taken ON taken.id = c.id
WHERE c.asked
