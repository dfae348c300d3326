-- What each install turned out to be. One that repeats another without a touch of
-- its own says what its source says.
SELECT own.id AS id, chain.repeats AS repeats,
    multiIf(chain.repeats = '', own.decided,
        own.winner_again > 0, own.decided_again,
        root_chain.repeats = '', root.decided, root.decided_again) AS said,
    if(chain.repeats != '' AND own.winner_again = 0,
        ('reinstall', concat('reinstall within the re-attribution window; the install ', chain.repeats, ' keeps its source'),
            said.3, said.4, said.5, said.6, said.7, said.8, said.9, said.10, said.11),
        said) AS settled
FROM contest AS own
INNER JOIN chain ON chain.id = own.id
INNER JOIN contest AS root ON root.id = chain.source
INNER JOIN chain AS root_chain ON root_chain.id = root.id
