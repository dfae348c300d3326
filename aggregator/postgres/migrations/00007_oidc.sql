-- +goose Up

-- The OpenID Connect provider at which people may log in. Its client secret is among the secrets.
CREATE TABLE oidc_provider (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id            text NOT NULL,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    issuer        text NOT NULL,
    client_id     text NOT NULL,
    public_url    text NOT NULL,
    create_people boolean NOT NULL,       -- of these domains, with these roles, whom nobody invited
    domains       text[] NOT NULL,
    roles         jsonb NOT NULL,
    passwords_off boolean NOT NULL,       -- for people with an identity who are not owners
    changed_at    timestamptz NOT NULL DEFAULT now()
);

-- Who people are at a provider. What counts is the issuer and the subject; the address is what it was
-- when they were linked.
CREATE TABLE identities (
    id           text PRIMARY KEY,
    user_id      text NOT NULL REFERENCES users ON DELETE CASCADE,
    issuer       text NOT NULL,
    subject      text NOT NULL,
    email        text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (issuer, subject),
    UNIQUE (user_id, issuer)
);

-- Logins on their way: first at the provider, then, for who has a second factor here, waiting for it.
CREATE TABLE oidc_attempts (
    hash       bytea PRIMARY KEY,                         -- SHA-256 of what the browser's cookie holds
    return_to  text NOT NULL,
    user_id    text REFERENCES users ON DELETE CASCADE,   -- null until the provider has vouched for them
    vouched    jsonb,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_attempts_by_expiry ON oidc_attempts (expires_at);

-- +goose Down
DROP TABLE oidc_attempts;
DROP TABLE identities;
DELETE FROM secrets WHERE name = 'oidc-client-secret';
DROP TABLE oidc_provider;
