-- +goose Up

-- People. An e-mail address is stored in lower case.
CREATE TABLE users (
    id            text PRIMARY KEY,
    email         text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 254),
    name          text NOT NULL CHECK (length(name) <= 200),
    password      text NOT NULL, -- PHC string of argon2id; empty: no password set yet, nobody can log in with it
    disabled      boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz
);

CREATE TABLE role_assignments (
    user_id       text NOT NULL REFERENCES users ON DELETE CASCADE,
    position      int NOT NULL,
    role          text NOT NULL CHECK (role IN ('owner', 'operator', 'marketer', 'analyst', 'viewer')),
    all_apps      boolean NOT NULL,
    apps          text[] NOT NULL DEFAULT '{}',
    media_sources text[] NOT NULL DEFAULT '{}',
    countries     text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (user_id, position),
    CHECK (all_apps = (cardinality(apps) = 0))
);

-- One login and everything that was refreshed from it.
CREATE TABLE sessions (
    id             text PRIMARY KEY,
    user_id        text NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL,
    last_used_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at     timestamptz,
    revoked_reason text NOT NULL DEFAULT '',
    ip             text NOT NULL,
    user_agent     text NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY, -- SHA-256 of the token
    session_id text NOT NULL REFERENCES sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);

CREATE TABLE apps (
    id         text PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    currency   text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    timezone   text NOT NULL,
    origins    text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE TABLE app_keys (
    id         text PRIMARY KEY,
    app        text NOT NULL REFERENCES apps,
    name       text NOT NULL CHECK (length(name) <= 200),
    kind       text NOT NULL CHECK (kind IN ('client', 'server')),
    prefix     text NOT NULL,
    hash       bytea NOT NULL UNIQUE, -- SHA-256 of the key
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX app_keys_of_app ON app_keys (app);

-- Versions are only added. A version applies to conversions from valid_from on.
CREATE TABLE app_settings (
    app        text NOT NULL REFERENCES apps,
    generation bigint NOT NULL CHECK (generation BETWEEN 1 AND 16777215),
    settings   jsonb NOT NULL,
    valid_from timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (app, generation)
);

CREATE TABLE links (
    id           text PRIMARY KEY,
    slug         text NOT NULL UNIQUE CHECK (slug ~ '^[A-Za-z0-9_-]{1,64}$'),
    app          text NOT NULL REFERENCES apps,
    media_source text NOT NULL,
    campaign     text NOT NULL DEFAULT '',
    adset        text NOT NULL DEFAULT '',
    ad           text NOT NULL DEFAULT '',
    keyword      text NOT NULL DEFAULT '',
    retargeting  boolean NOT NULL DEFAULT false,
    deep_links   jsonb NOT NULL DEFAULT '{}',
    redirects    jsonb NOT NULL DEFAULT '{}',
    stores       jsonb NOT NULL DEFAULT '{}',
    fallback     text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX links_of_app ON links (app, created_at);

-- The generation of what agents are told: apps, keys and links. It is a row and not a sequence,
-- because it must become visible together with the change that it counts: a snapshot that carried a
-- new generation and old content would never be sent again.
CREATE TABLE settings_generation (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    generation bigint NOT NULL
);
INSERT INTO settings_generation (generation) VALUES (1);

CREATE TABLE secrets (
    name       text PRIMARY KEY,
    sealed     bytea NOT NULL, -- AES-256-GCM under a key derived from the master key
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE agents (
    id                  text PRIMARY KEY,
    name                text NOT NULL,
    region              text NOT NULL,
    zone                text NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    revoked_at          timestamptz,
    certificate_serial  text NOT NULL DEFAULT '',
    certificate_expires timestamptz,
    node                text NOT NULL DEFAULT '', -- aggregator that heard from it last
    software            text NOT NULL DEFAULT '',
    state               text NOT NULL DEFAULT '',
    queued_events       bigint NOT NULL DEFAULT 0,
    queued_blocks       bigint NOT NULL DEFAULT 0,
    oldest_event        timestamptz,
    disk_used           bigint NOT NULL DEFAULT 0,
    disk_quota          bigint NOT NULL DEFAULT 0,
    accepted            bigint NOT NULL DEFAULT 0,
    rejected            bigint NOT NULL DEFAULT 0,
    lost                bigint NOT NULL DEFAULT 0,
    settings_generation bigint NOT NULL DEFAULT 0,
    clock_skew_ms       bigint NOT NULL DEFAULT 0,
    last_seen           timestamptz
);

CREATE TABLE agent_certificates (
    serial     text PRIMARY KEY,
    agent      text NOT NULL REFERENCES agents,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- An epoch is minted with a buffer directory, so two agents with one epoch share a copied directory.
CREATE TABLE agent_epochs (
    epoch      bigint PRIMARY KEY, -- the bits of an unsigned number
    agent      text NOT NULL REFERENCES agents,
    next_seq   bigint NOT NULL,
    chain      bigint NOT NULL,    -- the bits of an unsigned number
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE enrollments (
    secret_hash bytea PRIMARY KEY, -- SHA-256 of the token's secret
    name        text NOT NULL,
    region      text NOT NULL,
    zone        text NOT NULL,
    expires_at  timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    used_at     timestamptz,
    agent       text REFERENCES agents
);

CREATE TABLE leases (
    name       text PRIMARY KEY,
    owner      text NOT NULL,
    epoch      bigint NOT NULL, -- grows whenever the lease changes hands: the fencing token
    expires_at timestamptz NOT NULL
);

CREATE TABLE watermarks (
    name       text PRIMARY KEY,
    time       timestamptz NOT NULL,
    epoch      bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The audit log: each row's hash covers the row before it. audit_head is the last link of the chain;
-- its lock is the order of the log, and it shows when the tail was cut off.
CREATE TABLE audit_log (
    seq        bigint PRIMARY KEY,
    time       timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor      text NOT NULL,
    action     text NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('success', 'failure', 'denied')),
    target     text NOT NULL,
    app        text NOT NULL,
    request_id text NOT NULL,
    ip         text NOT NULL,
    detail     text NOT NULL, -- JSON, kept as the text that was hashed
    prev_hash  bytea NOT NULL,
    hash       bytea NOT NULL
);
CREATE INDEX audit_log_by_time ON audit_log (time);

CREATE TABLE audit_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq      bigint NOT NULL,
    hash     bytea NOT NULL
);
INSERT INTO audit_head (seq, hash) VALUES (0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- +goose StatementBegin
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_log_rows BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_table BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- +goose Down
-- There is no way down: it would delete the audit log.
