-- The windows of single links and media sources, of several for one the last. The
-- kinds are those of windows: 1 click, 2 impression, and by fingerprint 3 and 4.
SELECT s, kind, link_id, media_source, argMax(own, nth) AS window
FROM
(
    SELECT s, nth, link_id, media_source, kind, own FROM overrides
    ARRAY JOIN [click_window, impression_window, probabilistic_click, probabilistic_impression] AS own, [1, 2, 3, 4] AS kind
)
WHERE own > 0
GROUP BY s, kind, link_id, media_source
