-- +goose NO TRANSACTION
-- +goose Up
-- Which conversions were attributed when, in that order, for whoever tells others of them. A view
-- copies every row that is stored; a week is kept, dropped day by day.
CREATE TABLE IF NOT EXISTS attribution_changes
(
    app_id LowCardinality(String),
    conversion_id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(inserted_at)
ORDER BY (inserted_at, app_id, conversion_id)
TTL toDateTime(inserted_at) + INTERVAL 7 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS attribution_changes_view TO attribution_changes AS
SELECT app_id, conversion_id, inserted_at FROM attributions;

-- +goose Down
DROP TABLE IF EXISTS attribution_changes_view;
DROP TABLE IF EXISTS attribution_changes;
