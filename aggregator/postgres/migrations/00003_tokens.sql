-- +goose Up

-- A service account is a user without an address and a password: it only has tokens.
ALTER TABLE users ADD COLUMN kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service'));
ALTER TABLE users ALTER COLUMN email DROP NOT NULL;
ALTER TABLE users ADD CHECK ((kind = 'service') = (email IS NULL)), ADD CHECK (kind = 'person' OR password = '');

CREATE TABLE api_tokens (
    id           text PRIMARY KEY,
    user_id      text NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    prefix       text NOT NULL,
    hash         bytea NOT NULL UNIQUE, -- SHA-256 of the token
    permissions  text[] NOT NULL CHECK (cardinality(permissions) > 0),
    all_apps     boolean NOT NULL,
    apps         text[] NOT NULL CHECK (all_apps = (cardinality(apps) = 0)),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_tokens_of_user ON api_tokens (user_id);

-- +goose Down
DROP TABLE api_tokens;
DELETE FROM users WHERE kind = 'service';
ALTER TABLE users DROP COLUMN kind;
ALTER TABLE users ALTER COLUMN email SET NOT NULL;
