-- +goose NO TRANSACTION
-- +goose Up
-- Message ids that were used for more than one content (event_id_conflict): every
-- content that a touch or a conversion was derived from. The one with the smallest
-- (received, digest) counts, the others changed nothing.
CREATE TABLE IF NOT EXISTS event_id_conflicts
(
    app_id LowCardinality(String),
    event_id String CODEC(ZSTD(1)),
    digest UInt64,
    received Int64 CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 MATERIALIZED bitNot(toUInt64(received))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (app_id, event_id, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- Whom to forget: what has one of these keys and was received up to then does not
-- exist, also if it is sent again. The keys themselves are not kept.
CREATE TABLE IF NOT EXISTS erasures
(
    app_id LowCardinality(String),
    key_hash UInt64,
    erased_at Int64 CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(erased_at)
ORDER BY (app_id, key_hash)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS erasures;
DROP TABLE IF EXISTS event_id_conflicts;
