-- +goose Up

-- Links with which a person sets a password: the first one, or a new one. A person has one at most.
CREATE TABLE password_links (
    user_id    text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    hash       bytea NOT NULL UNIQUE, -- SHA-256 of the token
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE password_links;
