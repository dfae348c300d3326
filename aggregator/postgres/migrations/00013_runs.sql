-- +goose Up

-- Computations that take longer than a request: attribution that learns from all paths, and attribution
-- under other settings. Any node may do one; who does has a lease on it, and the epoch tells whoever had
-- it before that the run is not theirs any more.
CREATE TABLE runs (
    id          text PRIMARY KEY,
    app         text NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    kind        text NOT NULL,
    name        text NOT NULL DEFAULT '',
    parameters  jsonb NOT NULL,
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed', 'cancelled')),
    progress    integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1000000), -- millionths
    mark        text NOT NULL DEFAULT '', -- from where a node that takes over goes on
    result      jsonb,
    fault       text NOT NULL DEFAULT '', -- why it failed, for people
    owner       text NOT NULL DEFAULT '',
    epoch       bigint NOT NULL DEFAULT 0,
    attempts    integer NOT NULL DEFAULT 0, -- how often it was taken and not given back
    lease_until timestamptz NOT NULL DEFAULT 'epoch',
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz
);
CREATE INDEX runs_of_app ON runs (app, created_at DESC);
CREATE INDEX runs_unfinished ON runs (created_at) WHERE state IN ('pending', 'running');
CREATE UNIQUE INDEX runs_named ON runs (app, kind, name) WHERE name <> '';

-- +goose Down
DROP TABLE runs;
