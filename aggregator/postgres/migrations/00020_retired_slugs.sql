-- +goose Up

-- Slugs of deleted links. They are printed and shared, so they are never given to another app.
CREATE TABLE retired_slugs (
    slug       text PRIMARY KEY,
    app        text        NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now()
);
