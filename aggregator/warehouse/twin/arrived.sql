-- The clicks that are recorded among the touches of each conversion: a visit that names
-- one of them is its arrival and no touch.
SELECT DISTINCT id, arrayJoin(click_keys) AS key FROM considered WHERE NOT probable AND arrival_key = ''
