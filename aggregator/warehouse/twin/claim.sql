-- What the installs' referrers say. A referrer may be a query, an escaped query, or
-- the address of a store page with either in it.
SELECT id, if(own = '', foreign, own) AS claim, own != '' AS claim_ours, click_key(claim) AS claim_key,
    claim = '' AND (whole = '' OR medium = 'organic' OR source = '(not set)'
        OR position(whole, '://') > 0 AND source = '' AND medium = '' AND rest = '') AS claim_organic
FROM
(
    SELECT id, whole, says[indexOf(named, 'click_id')] AS own,
        arrayFirst(v -> v != '', arrayMap(network -> says[indexOf(named, network)],
            ['gclid', 'wbraid', 'gbraid', 'dclid', 'fbclid', 'ttclid', 'msclkid', 'twclid', 'li_fat_id'])) AS foreign,
        says[indexOf(named, 'utm_source')] AS source, says[indexOf(named, 'utm_medium')] AS medium,
        concat(says[indexOf(named, 'utm_campaign')], says[indexOf(named, 'utm_term')], says[indexOf(named, 'utm_content')]) AS rest
    FROM
    (
        SELECT id, whole, names(given) AS named, arrayMap(v -> if(length(v) > 256, '', v), arrayMap(v -> trimmed(v), values(given))) AS says
        FROM
        (
            SELECT id, whole, pairs(if(position(whole, '://') > 0 AND inner = '', store, if(startsWith(plain, '?'), substring(plain, 2), plain))) AS given
            FROM
            (
                SELECT id, whole, store,
                    if(position(whole, '://') > 0, values(in_store)[indexOf(names(in_store), 'referrer')], whole) AS inner,
                    if(position(inner, '=') = 0 AND well_escaped(inner), decodeURLFormComponent(inner), inner) AS plain
                FROM
                (
                    SELECT id, trimmed(referrer) AS whole,
                        if(position(whole, '?') = 0, '', splitByChar('#', substring(whole, position(whole, '?') + 1))[1]) AS store, pairs(store) AS in_store
                    FROM conversion
                    WHERE install AND referrer != ''
                )
            )
        )
    )
)
