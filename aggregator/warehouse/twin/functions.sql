-- What stages may call. An argument is put in wherever the function names it, so what is long is bound first:
-- one value to a column of an inner query, or to the argument of an arrayMap over an array of one.

-- As in XXH64's input, a number is 8 bytes, a text its length and its bytes.
(n -> reinterpretAsFixedString(n)) AS number,
(s -> concat(reinterpretAsFixedString(toUInt64(length(s))), s)) AS text,

(s -> replaceRegexpAll(s, '^[\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}]+|[\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}]+$', '')) AS trimmed,

-- The match key of a click id; one that stands for "no id" makes none.
(click_id -> arrayMap(id -> arrayMap(bare -> if(length(id) > 256 OR position(bare, '{') > 0 OR position(bare, '}') > 0
        OR match(bare, '^(?s:__|___|__.*__|%|%.*%|\\[.*\\]|<.*>|\\$|\\$.*\\$)$')
        OR match(lowerUTF8(bare), '^([-0]*|null|\\(null\\)|undefined|unknown|none|nil|nan|n/a|na|-1|false|true|anonymous|guest|not_authenticated|distinct_id|distinctid|id|email|user_id|userid|\\[object object\\]|9774d56d682e549c|02:00:00:00:00:00)$'),
    '', concat('click:', id)), [replaceRegexpAll(id, '^["\'`]+|["\'`]+$', '')])[1], [trimmed(click_id)])[1]) AS click_key,

-- The rules of fraud as bits, the first of the table lowest: the bit of one, and those that the marks of a touch make hold.
(name -> bitShiftLeft(toUInt64(1), indexOf({rule_names:Array(String)}, name) - 1)) AS rule_bit,
(marks -> arraySum((name, mark) -> if(bitAnd(marks, mark) != 0, rule_bit(name), 0), {rule_names:Array(String)}, {rule_marks:Array(UInt8)})) AS mark_bits,
((ms, stamp) -> stamp > 0 AND intDiv(ms, 1000) > intDiv(stamp, 1000)) AS in_later_second,

-- What marks say besides: 16 imported history, 32 sent with a server key.
(marks -> bitTest(marks, 4)) AS is_historical,
(marks -> bitTest(marks, 5)) AS is_trusted,
((has_revenue, revenue, excluded) -> if(has_revenue AND NOT excluded, revenue, 0)) AS counted_revenue,

-- The parameters of a query such as "a=1&b=2", names and values; a pair that is badly escaped is none.
(text -> position(replaceRegexpAll(text, '%[0-9a-fA-F]{2}', ''), '%') = 0) AS well_escaped,
(query -> arrayFilter(pair -> pair != '' AND position(pair, ';') = 0 AND well_escaped(pair), splitByChar('&', query))) AS pairs,
(pairs -> arrayMap(pair -> decodeURLFormComponent(splitByChar('=', pair)[1]), pairs)) AS names,
(pairs -> arrayMap(pair -> decodeURLFormComponent(substring(pair, length(splitByChar('=', pair)[1]) + 2)), pairs)) AS values,

-- Of candidates, each with what speaks against it, the position of the one that wins, 0 without one.
((candidates, against) -> arrayReverseSort(i -> (-candidates[i].1.tier, candidates[i].1.place.1, candidates[i].1.match = 'referrer', candidates[i].1.place.2),
    arrayFilter(i -> against[i] = '', arrayEnumerate(candidates)))[1]) AS best,
((candidates, against, winner) -> arrayMap((c, a, i) -> multiIf(i = winner, 'won', a != '', a, c.1.tier > candidates[winner].1.tier, 'lower_tier', 'older_touch'),
    candidates, against, arrayEnumerate(candidates))) AS verdicts,

-- What is known of an install: outcome, reason, match, touch, media source, campaign, ad set, ad, keyword, link, fraud rule.
((c, outcome, reason) -> (outcome, reason, c.1.match, c.1.place.2, c.1.media_source, c.1.campaign, c.1.adset, c.1.ad, c.1.keyword, c.1.link_id, c.2)) AS credited,
((outcome, reason, rule) -> (outcome, reason, '', '', 'organic', '', '', '', '', '', rule)) AS uncredited,

-- Whether an install repeats the latest new one of those before it. before are the positions of those on its
-- device, so_far is what was found of them, first whether each is new.
((so_far, before, time, times, window) -> arrayExists(n -> n > 0 AND time < times[n] + window, [arrayLast(p -> so_far[p].1, before)])) AS repeating,
((again, returns, so_far, latest) -> (NOT again, if(again AND NOT returns, so_far[latest].2, length(so_far) + 1), if(again, latest, 0))) AS found
