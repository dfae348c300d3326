-- +goose NO TRANSACTION
-- +goose Up
-- What advertising cost, as somebody imported it. A later import of the same key has a
-- later as_of (milliseconds) and takes its place in every question, while what was known
-- before can still be asked for. Cost is in millionths of the currency; the date is that
-- of the app's own calendar.
CREATE TABLE IF NOT EXISTS costs
(
    app_id LowCardinality(String),
    date Date,
    media_source String CODEC(ZSTD(1)),
    campaign String CODEC(ZSTD(1)),
    adset String CODEC(ZSTD(1)),
    ad String CODEC(ZSTD(1)),
    country LowCardinality(String),
    as_of Int64 CODEC(Delta, ZSTD(1)),
    currency LowCardinality(String),
    cost Int64 CODEC(ZSTD(1)),
    impressions Int64 CODEC(ZSTD(1)),
    clicks Int64 CODEC(ZSTD(1)),
    CONSTRAINT named CHECK app_id != '' AND media_source != '',
    CONSTRAINT few_partitions CHECK date BETWEEN '2000-01-01' AND '2099-12-31'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(date)
ORDER BY (app_id, date, media_source, campaign, adset, ad, country, as_of)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS costs;
