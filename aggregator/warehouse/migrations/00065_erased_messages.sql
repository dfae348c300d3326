-- +goose NO TRANSACTION
-- +goose Up
-- Message ids of erased events: whoever sends one again, whenever, sends what was erased. The ids
-- themselves are not kept.
CREATE TABLE IF NOT EXISTS erased_messages
(
    app_id LowCardinality(String),
    id_hash UInt64,
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (app_id, id_hash)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS erased_messages;
