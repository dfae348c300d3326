SELECT media_source, paid, currency, toString(sum(credits)), toString(sum(shares)), '0' AS exact, '0' AS unknown
FROM (SELECT media_source, paid, currency, 0 AS day, sum(toInt128(credit)) AS credits, sum(toInt128(share)) AS shares FROM (
    SELECT has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, path_media_source AS media_source, credit, share
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?)
    ARRAY JOIN if(empty(touches_id), ['organic'], touches_media_source) AS path_media_source,
        if(empty(touches_id), [1000000], credit_linear) AS credit, if(empty(touches_id), [revenue], revenue_linear) AS share)
    GROUP BY media_source, paid, currency, day)
GROUP BY media_source, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT media_source, campaign, adset, ad, keyword, paid, currency, toString(sum(credits)), toString(sum(shares)), '0' AS exact, '0' AS unknown
FROM (SELECT media_source, campaign, adset, ad, keyword, paid, currency, 0 AS day, sum(toInt128(credit)) AS credits, sum(toInt128(share)) AS shares FROM (
    SELECT has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, path_media_source AS media_source, path_campaign AS campaign, path_adset AS adset, path_ad AS ad, path_keyword AS keyword, credit, share
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?)
    ARRAY JOIN if(empty(touches_id), ['organic'], touches_media_source) AS path_media_source, if(empty(touches_id), [''], touches_campaign) AS path_campaign, if(empty(touches_id), [''], touches_adset) AS path_adset, if(empty(touches_id), [''], touches_ad) AS path_ad, if(empty(touches_id), [''], touches_keyword) AS path_keyword,
        if(empty(touches_id), [1000000], credit_position_based) AS credit, if(empty(touches_id), [revenue], revenue_position_based) AS share)
    GROUP BY media_source, campaign, adset, ad, keyword, paid, currency, day)
GROUP BY media_source, campaign, adset, ad, keyword, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

SELECT channels, paid, currency, toInt64(sum(n)), toString(sum(amount)), '0' AS exact, '0' AS unknown
FROM (SELECT channels, paid, currency, 0 AS day, count() AS n, sum(toInt128(revenue)) AS amount FROM (
    SELECT arrayCompact(touches_media_source) AS channels, has_revenue AS paid, if(has_revenue, currency, '') AS currency, time, revenue
    FROM (SELECT * FROM attributions FINAL WHERE app_id = ? AND time >= ? AND time < ?))
    GROUP BY channels, paid, currency, day)
GROUP BY channels, paid, currency LIMIT ?
  ← "app-1"
  ← 1767225600000
  ← 1769904000000
  ← 50000

