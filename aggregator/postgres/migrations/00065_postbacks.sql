-- +goose Up

-- What is told to ad networks and webhooks. sealed holds the signing key and the values of the
-- definition's secrets, as JSON; since is when it was last enabled: conversions that were received
-- before are not told.
CREATE TABLE postbacks (
    id         text PRIMARY KEY,
    app        text NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    definition jsonb NOT NULL,
    sealed     bytea NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX postbacks_of_app ON postbacks (app, id);

-- Every delivery, decided once and tried until it is done: the log that people read, and the queue that
-- nodes take from. request is what is sent, sealed, from the first try until the end; shown is the same
-- with secrets masked.
CREATE TABLE deliveries (
    id           text PRIMARY KEY,
    app          text NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    postback     text NOT NULL REFERENCES postbacks (id) ON DELETE CASCADE,
    conversion   text NOT NULL,
    number       integer NOT NULL,
    event        text NOT NULL,
    media_source text NOT NULL,
    campaign     text NOT NULL,
    link_id      text NOT NULL,
    digest       text NOT NULL,
    state        text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'dead', 'withdrawn')),
    attributed_at timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_at      timestamptz NOT NULL,
    lease_owner  text NOT NULL DEFAULT '',
    lease_until  timestamptz NOT NULL DEFAULT 'epoch',
    attempts     integer NOT NULL DEFAULT 0,
    first_try    timestamptz,
    last_try     timestamptz,
    request      bytea,
    shown        jsonb,
    status       integer NOT NULL DEFAULT 0,
    latency_ms   integer NOT NULL DEFAULT 0,
    answer       text NOT NULL DEFAULT '',
    fault        text NOT NULL DEFAULT '',
    UNIQUE (postback, conversion, number)
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'due';
CREATE INDEX deliveries_log ON deliveries (app, created_at DESC, id DESC);
CREATE INDEX deliveries_of_conversion ON deliveries (app, conversion);
CREATE INDEX deliveries_old ON deliveries (created_at);

-- +goose Down
DROP TABLE deliveries;
DROP TABLE postbacks;
