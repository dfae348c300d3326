-- +goose NO TRANSACTION
-- +goose Up
-- "These two match keys are one person", each link in both directions, so that
-- either key finds the other by the primary key. The earliest sighting stays.
CREATE TABLE IF NOT EXISTS identity_links
(
    app_id LowCardinality(String),
    a_hash UInt64 MATERIALIZED cityHash64(a),
    a String CODEC(ZSTD(1)),
    b String CODEC(ZSTD(1)),
    received Int64 CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 MATERIALIZED bitNot(toUInt64(received)),
    INDEX inserted_index inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (app_id, a_hash, a, b)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS identity_links;
