-- +goose NO TRANSACTION
-- +goose Up
-- Events that could not be stored, with the reason and the bytes of
-- protocol.AppendEvent, so that they can be replayed.
CREATE TABLE IF NOT EXISTS quarantine
(
    app_id LowCardinality(String),
    event_id String CODEC(ZSTD(1)),
    agent_id LowCardinality(String),
    reason String CODEC(ZSTD(1)),
    event String CODEC(ZSTD(3)),
    digest UInt64 MATERIALIZED cityHash64(event),
    received Int64 CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(received)
ORDER BY (app_id, event_id, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS quarantine;
