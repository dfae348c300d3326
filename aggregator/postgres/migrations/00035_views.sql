-- +goose Up
-- What people look at again and again: a page of the console with its query. A shared one is seen by all who
-- see the app, and changed by whoever made it.
CREATE TABLE saved_views (
    id text PRIMARY KEY,
    app text NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    owner text NOT NULL,
    name text NOT NULL,
    page text NOT NULL,
    query text NOT NULL,
    shared boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX saved_views_of_an_app ON saved_views (app, owner);

-- Names that people are shown in place of those that media sources were stored under, from the time of
-- reading on; name is in small letters.
CREATE TABLE media_source_aliases (
    app text NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name text NOT NULL,
    shown text NOT NULL,
    PRIMARY KEY (app, name)
);

-- +goose Down
DROP TABLE media_source_aliases;
DROP TABLE saved_views;
