-- Each install by itself, decided twice: as a new install and as the repetition of
-- an earlier one, in which only touches made to bring people back can win.
SELECT id, part, time, candidates, verdict, verdict_again, winner_again, claims,
    multiIf(winner > 0, credited(candidates[winner], 'non_organic', why_won),
        evidence != '', uncredited('unattributed', evidence, own_rule),
        uncredited('organic', 'no touch and no referrer point to a campaign', own_rule)) AS decided,
    credited(candidates[winner_again], 're_attribution', 'reinstalled after a touch of a retargeting link') AS decided_again
FROM
(
    SELECT id, part, time, own_rule, candidates, verdict, winner, winner_again, claims, is_taken,
        arrayFirst(c -> c.1.match = 'stated', candidates).1 AS by_itself,
        verdicts(candidates, unfit_again, winner_again) AS verdict_again,
        candidates[winner].1 AS won,
        multiIf(won.match = 'probabilistic', concat('latest ', won.kind, ' from a device that looks the same, within its window, and nothing surer'),
            won.kind = 'impression', 'latest impression within its window, and no click',
            won.match = 'stated', 'the install itself names the campaign, and its source is trusted',
            won.match = 'referrer', 'latest click named by the install referrer',
            won.match = 'click_id', 'latest click named by the install\'s click id',
            won.match = 'user_id', 'latest click of the same user within its window',
            'latest click of the same device within its window') AS why_won,
        arrayConcat(arrayMap((v, c, t) -> multiIf(v = 'after_conversion' AND c.1.match IN ('referrer', 'click_id'), 'named_too_early',
            v = 'duplicate' AND t, 'taken', v), verdict, candidates, is_taken), arrayMap(u -> u.3, claims)) AS said,
        multiIf(
            withheld OR has(said, 'consent_withheld'), 'consent to attribution was withheld',
            has(said, 'fraud_rejected'), 'the touches were rejected as fraud',
            has(said, 'named_too_early'), 'the click that the install names was recorded after it',
            has(said, 'taken'), 'the click that the install names answers for an earlier install',
            has(said, 'unknown_click_id'), 'the click id is not one of a recorded click',
            has(said, 'claimed_campaign'), concat('claimed_campaign: only the install itself names the campaign, and its source is not trusted: ',
                by_itself.media_source, ' / ', by_itself.campaign),
            has(said, 'foreign_referrer'), 'the install referrer names a campaign that is not tracked here',
            has(said, 'window_expired') OR has(said, 'duplicate'), 'every touch was older than its window',
            '') AS evidence
    FROM
    (
        SELECT *, verdicts(candidates, unfit, winner) AS verdict
        FROM
        (
            SELECT *, best(candidates, unfit) AS winner, best(candidates, unfit_again) AS winner_again
            FROM
            (
                SELECT id, part, time, own_rule, withheld, candidates, claims, is_taken,
                    arrayMap((c, n, t) -> multiIf(withheld OR c.1.withheld, 'consent_withheld',
                        NOT c.1.before, 'after_conversion',
                        c.3, 'fraud_rejected',
                        c.1.expired, 'window_expired',
                        c.1.match = 'stated' AND NOT c.1.trusted, 'claimed_campaign',
                        n > 1 OR t, 'duplicate',
                        ''), candidates, nth, is_taken) AS unfit,
                    arrayMap((c, u) -> if(u = '' AND NOT c.1.retargeting, 'not_retargeting', u), candidates, unfit) AS unfit_again
                FROM
                (
                    SELECT id, part, time, own_rule, withheld, candidates,
                        arrayMap(c -> c.1.match IN ('referrer', 'click_id') AND arrayExists(t -> t.1 = c.1.place, taken), candidates) AS is_taken,
                        arrayFirst(c -> c.1.match = 'stated', candidates).1 AS itself,

                        -- A network's click or impression that it has reported before, not counting reports without consent.
                        arrayEnumerateUniq(arrayMap((c, i) -> if(withheld OR c.1.withheld OR click_key(c.1.click_id) = '',
                            (i, '', '', ''), (0, c.1.kind, c.1.media_source, c.1.click_id)), candidates, arrayEnumerate(candidates))) AS nth,

                        -- What the install says of itself and no candidate bears out.
                        arrayMap(u -> (u.1, u.2, if(withheld, 'consent_withheld', u.3)), arrayFilter(u -> u.3 != '', [
                            (click_id, 'click_id', if(click_id != '' AND NOT arrayExists(c -> c.1.named, candidates)
                                AND NOT (itself.match = 'stated' AND bitTest(itself.stamp, 7) AND itself.click_id = click_id), 'unknown_click_id', '')),
                            multiIf(referrer = '' OR claim_organic OR arrayExists(c -> c.1.claimed, candidates), ('', '', ''),
                                itself.match = 'stated' AND NOT claim_ours, ('', '', ''),
                                NOT claim_ours, (referrer, 'referrer', 'foreign_referrer'),
                                claim != click_id, (claim, 'referrer', 'unknown_click_id'),
                                ('', '', ''))
                        ])) AS claims
                    FROM
                    (
                        -- Each touch with the rule that it is marked with and whether that rejects it; direct ones are no candidates.
                        SELECT *, terms.rule[1 + own_marks] AS own_rule,
                            arraySort(c -> c.1.place, arrayFilter(c -> NOT c.1.direct AND (c.1.kind != 'stated' OR c.1.place.2 = id), arrayConcat(
                                arrayMap((t, f, r) -> (t, if(t.before, f, ''), r), touches, fraud, rejected),
                                arrayMap((t, f, r) -> (t, f, r), probables, probable_fraud, probable_rejected)))) AS candidates
                        FROM (SELECT * FROM conversion WHERE install) AS c
                        INNER JOIN terms USING (s)
                        LEFT JOIN (SELECT id, touches, probables, fraud, rejected, probable_fraud, probable_rejected FROM judged) AS judged USING (id)
                    ) AS c
                    LEFT JOIN claim USING (id)
                    LEFT JOIN taken USING (id)
                )
            )
        )
    )
)
