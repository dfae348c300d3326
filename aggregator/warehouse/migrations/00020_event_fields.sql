-- +goose NO TRANSACTION
-- +goose Up
-- What agents have stated since: the order of a conversion, whose click id it is, who named
-- the source, and what could not be stored as it was sent (protocol.Warnings) under which
-- write key. Rows of agents of a version before have the defaults.
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS order_id String CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS network LowCardinality(String),
    ADD COLUMN IF NOT EXISTS stated UInt8,
    ADD COLUMN IF NOT EXISTS warnings UInt16,
    ADD COLUMN IF NOT EXISTS key LowCardinality(String);

-- Which messages had a warning, for the counts and the latest samples in the console. There is
-- nothing of a person in it; the message itself is in events, for those who may read it.
-- The rows are kept for 90 days.
CREATE TABLE IF NOT EXISTS event_warnings
(
    app_id LowCardinality(String),
    received Int64 CODEC(Delta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    digest UInt64,
    kind LowCardinality(String),
    name String CODEC(ZSTD(1)),
    warnings UInt16,
    key LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (app_id, received, event_id, digest)
TTL toDateTime(intDiv(received, 1000)) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS event_warnings_view TO event_warnings AS
SELECT app_id, received, event_id, digest, kind, name, warnings, key FROM events WHERE warnings != 0;

-- +goose Down
DROP TABLE IF EXISTS event_warnings_view;
DROP TABLE IF EXISTS event_warnings;
ALTER TABLE events DROP COLUMN IF EXISTS key, DROP COLUMN IF EXISTS warnings, DROP COLUMN IF EXISTS stated,
    DROP COLUMN IF EXISTS network, DROP COLUMN IF EXISTS order_id;
