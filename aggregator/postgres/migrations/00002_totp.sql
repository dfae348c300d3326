-- +goose Up

-- The second factor of a person: a secret shared with an app on their phone.
CREATE TABLE totp (
    user_id      text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    sealed       bytea NOT NULL,             -- AES-256-GCM under a key derived from the master key
    confirmed_at timestamptz,                -- null: the app has not shown its first code yet
    last_step    bigint NOT NULL DEFAULT 0,  -- of the last code that was used; no code counts twice
    failed       int NOT NULL DEFAULT 0,     -- wrong codes since the last right one
    failed_at    timestamptz
);

CREATE TABLE recovery_codes (
    hash    bytea PRIMARY KEY, -- SHA-256 of the person's id and the code
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    used_at timestamptz
);
CREATE INDEX recovery_codes_of_user ON recovery_codes (user_id);

-- +goose Down
DROP TABLE recovery_codes;
DROP TABLE totp;
