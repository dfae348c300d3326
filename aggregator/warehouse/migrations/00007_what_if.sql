-- +goose NO TRANSACTION
-- +goose Up
-- Attributions under other settings, each in a named run; they overwrite nothing
-- and are gone after 90 days. A run is the same for the same settings, so that
-- one that was broken off can be done again.
CREATE TABLE IF NOT EXISTS what_if_runs
(
    app_id LowCardinality(String),
    run String CODEC(ZSTD(1)),
    settings String CODEC(ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (app_id, run)
TTL toDateTime(inserted_at) + INTERVAL 91 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS what_if_attributions
(
    run LowCardinality(String),
    app_id LowCardinality(String),
    conversion_id String CODEC(ZSTD(1)),
    version UInt64,
    name String CODEC(ZSTD(1)),
    install Bool,
    time Int64 CODEC(Delta, ZSTD(1)),
    received Int64 CODEC(Delta, ZSTD(1)),
    revenue Int64 CODEC(ZSTD(1)),
    has_revenue Bool,
    currency String CODEC(ZSTD(1)),
    generation UInt64,
    inputs UInt32,
    input_digest UInt64,
    truncated Bool,
    install_id String CODEC(ZSTD(1)),
    outcome LowCardinality(String),
    reason String CODEC(ZSTD(1)),
    match LowCardinality(String),
    touch_id String CODEC(ZSTD(1)),
    media_source String CODEC(ZSTD(1)),
    campaign String CODEC(ZSTD(1)),
    adset String CODEC(ZSTD(1)),
    ad String CODEC(ZSTD(1)),
    keyword String CODEC(ZSTD(1)),
    link_id String CODEC(ZSTD(1)),
    touches_id Array(String) CODEC(ZSTD(1)),
    touches_time Array(Int64) CODEC(ZSTD(1)),
    touches_kind Array(String) CODEC(ZSTD(1)),
    touches_media_source Array(String) CODEC(ZSTD(1)),
    touches_medium Array(String) CODEC(ZSTD(1)),
    touches_campaign Array(String) CODEC(ZSTD(1)),
    touches_adset Array(String) CODEC(ZSTD(1)),
    touches_ad Array(String) CODEC(ZSTD(1)),
    touches_keyword Array(String) CODEC(ZSTD(1)),
    touches_link_id Array(String) CODEC(ZSTD(1)),
    credit_first_touch Array(UInt32) CODEC(ZSTD(1)),
    credit_last_touch Array(UInt32) CODEC(ZSTD(1)),
    credit_linear Array(UInt32) CODEC(ZSTD(1)),
    credit_time_decay Array(UInt32) CODEC(ZSTD(1)),
    credit_position_based Array(UInt32) CODEC(ZSTD(1)),
    revenue_first_touch Array(Int64) CODEC(ZSTD(1)),
    revenue_last_touch Array(Int64) CODEC(ZSTD(1)),
    revenue_linear Array(Int64) CODEC(ZSTD(1)),
    revenue_time_decay Array(Int64) CODEC(ZSTD(1)),
    revenue_position_based Array(Int64) CODEC(ZSTD(1)),
    candidates_touch_id Array(String) CODEC(ZSTD(1)),
    candidates_claim Array(String) CODEC(ZSTD(1)),
    candidates_kind Array(String) CODEC(ZSTD(1)),
    candidates_time Array(Int64) CODEC(ZSTD(1)),
    candidates_media_source Array(String) CODEC(ZSTD(1)),
    candidates_campaign Array(String) CODEC(ZSTD(1)),
    candidates_match Array(String) CODEC(ZSTD(1)),
    candidates_verdict Array(String) CODEC(ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (app_id, run, conversion_id)
TTL toDateTime(inserted_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS what_if_attributions;
DROP TABLE IF EXISTS what_if_runs;
