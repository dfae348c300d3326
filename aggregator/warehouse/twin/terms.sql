-- The settings with what follows from them. Of the rules that hold of a touch, as
-- bits, rule has the name that it is marked with, and rejects whether that rejects it.
SELECT settings.* REPLACE (toUInt64(greatest(half_life, 1)) AS half_life, toUInt64(position_first) AS position_first,
        toUInt64(position_middle) AS position_middle, toUInt64(position_last) AS position_last),
    [click_window, impression_window, probabilistic_click_window, probabilistic_impression_window] AS windows,
    greatest(click_window, impression_window, o.longest) AS longest,
    greatest(probabilistic_click_window, probabilistic_impression_window, o.longest_probable) AS longest_probable,
    greatest(lookback, longest) + 86400000 AS install_span, -- a day more, to show what has just expired
    reengagement + longest AS returning_span,
    reengagement + inactivity AS opening_span,
    {rule_names:Array(String)} AS rule_names,
    arrayMap(holds -> arrayFirst((name, action, i) -> bitTest(holds, i - 1) AND action = 'reject', rule_names, fraud_actions, arrayEnumerate(rule_names)), range(bitShiftLeft(1, length(rule_names)))) AS rejecting,
    arrayMap(holds -> arrayFirst((name, action, i) -> bitTest(holds, i - 1) AND action = 'flag', rule_names, fraud_actions, arrayEnumerate(rule_names)), range(bitShiftLeft(1, length(rule_names)))) AS flagging,
    arrayMap((r, f) -> if(r != '', r, f), rejecting, flagging) AS rule,
    arrayMap(r -> r != '', rejecting) AS rejects,
    fraud_actions[indexOf(rule_names, 'device_frequency')] != 'off' AND max_clicks > 0 AS counts_clicks
FROM settings
LEFT JOIN (SELECT s, maxIf(window, kind <= 2) AS longest, maxIf(window, kind > 2) AS longest_probable FROM override GROUP BY s) AS o ON o.s = settings.s
