-- +goose Up

-- The names of master keys, which are derived from them and tell nothing of them. One is in force: what is
-- sealed is sealed under it, whichever keys a node was given.
CREATE TABLE master_keys (
    name       bytea PRIMARY KEY,
    since      timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE UNIQUE INDEX master_key_in_force ON master_keys ((retired_at IS NULL)) WHERE retired_at IS NULL;

-- +goose Down
DROP TABLE master_keys;
