-- +goose NO TRANSACTION
-- +goose Up
-- Settings apply from a time on: what was attributed by older ones is looked for
-- among the conversions since.
ALTER TABLE attributions ADD INDEX IF NOT EXISTS time_index time TYPE minmax GRANULARITY 1;

-- +goose Down
ALTER TABLE attributions DROP INDEX IF EXISTS time_index;
