-- What is considered of each conversion: its person's touches in order, at most the
-- latest max_touches up to it and the first max_after after it, and the latest
-- max_probable that are probable. Which rules of fraud hold is told beside them.
SELECT id, truncated, touches, probables, rule, rejects,
    counts_clicks AND length(touches) > max_clicks AS counts,
    -- Clicks with enough others in the window that ends with them, first by time alone, and of these by device.
    arrayFilter(t -> counts AND t.kind = 'click', touches) AS clicks,
    arrayMap(t -> t.place.1, clicks) AS times,
    arrayFilter(t -> arrayCount(at -> at > t.place.1 - max_clicks_window AND at <= t.place.1, times) > max_clicks, clicks) AS dense,
    arrayMap(t -> t.place, arrayFilter(t -> arrayCount(o -> o.place.1 > t.place.1 - max_clicks_window AND o.place.1 <= t.place.1
        AND o.place != t.place AND hasAny(o.device_keys, t.device_keys), clicks) >= max_clicks, dense)) AS frequent,
    arrayMap(t -> t.holds + rule_bit('device_frequency') * has(frequent, t.place), touches) AS holds
FROM
(
    SELECT id, truncated, arrayConcat(arraySlice(earlier, -{max_touches:Int32}), arraySlice(later, 1, {max_after:UInt32})) AS touches,
        arraySlice(maybe, -{max_probable:Int32}) AS probables
    FROM
    (
        SELECT id, countIf(before AND NOT probable) > {max_touches:UInt32} AS truncated,
            arraySort(t -> t.place, groupArrayIf(touch, before AND NOT probable)) AS earlier,
            arraySort(t -> t.place, groupArrayIf(touch, NOT before)) AS later,
            arraySort(t -> t.place, groupArrayIf(touch, probable)) AS maybe
        FROM
        (
            SELECT id, before, probable, tuple(place, received, digest, stamp, kind, media_source, medium, campaign, adset, ad, keyword,
                link_id, click_id, direct, retargeting, withheld, device_keys, before, shares, window, expired, claimed, named, match, tier, holds, trusted, shares_click) AS touch
            FROM considered
            WHERE probable OR arrival_key = '' OR (id, arrival_key) NOT IN (SELECT id, key FROM arrived)
        )
        GROUP BY id
    )
) AS c
INNER JOIN (SELECT id, s FROM conversion) AS of USING (id)
INNER JOIN terms USING (s)
