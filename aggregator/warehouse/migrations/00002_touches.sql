-- +goose NO TRANSACTION
-- +goose Up
-- The touches that events state. touch_keys is the match index: one row for
-- every match key of a touch, in the order of look-ups. touch_ids has every
-- variant of a touch whose message id was used more than once, also in
-- different hours: the greatest version is the one that counts.
-- Both are filled by views that copy, so a repeated insert repairs a half-done one.
CREATE TABLE IF NOT EXISTS touches
(
    app_id LowCardinality(String),
    touch_id String CODEC(ZSTD(1)),
    original Int64 CODEC(Delta, ZSTD(1)),
    time Int64 CODEC(Delta, ZSTD(1)),
    received Int64 CODEC(Delta, ZSTD(1)),
    digest UInt64,
    kind LowCardinality(String),
    media_source String CODEC(ZSTD(1)),
    medium String CODEC(ZSTD(1)),
    campaign String CODEC(ZSTD(1)),
    adset String CODEC(ZSTD(1)),
    ad String CODEC(ZSTD(1)),
    keyword String CODEC(ZSTD(1)),
    sub Array(String) CODEC(ZSTD(1)),
    link_id String CODEC(ZSTD(1)),
    click_id String CODEC(ZSTD(1)),
    cost Int64 CODEC(ZSTD(1)),
    cost_currency String CODEC(ZSTD(1)),
    retargeting Bool,
    withheld Bool,
    country String CODEC(ZSTD(1)),
    keys Array(String) CODEC(ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt128 MATERIALIZED
        bitShiftLeft(toUInt128(bitAnd(bitNot(toUInt64(received)), 0xFFFFFFFFFFFF)), 80)
        + bitShiftLeft(toUInt128(bitNot(digest)), 16)
        + toUInt128(bitAnd(bitNot(toUInt64(time)), 0xFFFF)),
    INDEX time_index time TYPE minmax GRANULARITY 1,
    INDEX inserted_index inserted_at TYPE minmax GRANULARITY 1,
    CONSTRAINT named CHECK app_id != '' AND touch_id != '',
    CONSTRAINT stamped CHECK time >= 0 AND received >= 0 AND received < 281474976710656,
    CONSTRAINT few_partitions CHECK original = 0 OR original BETWEEN 946684800000 AND 4102444799999
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(original, 'UTC'))
ORDER BY (app_id, toStartOfHour(fromUnixTimestamp64Milli(original, 'UTC')), touch_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS touch_keys
(
    app_id LowCardinality(String),
    key_hash UInt64,
    key String CODEC(ZSTD(1)),
    touch_id String CODEC(ZSTD(1)),
    original Int64 CODEC(Delta, ZSTD(1)),
    time Int64 CODEC(Delta, ZSTD(1)),
    received Int64 CODEC(Delta, ZSTD(1)),
    digest UInt64,
    kind LowCardinality(String),
    media_source String CODEC(ZSTD(1)),
    medium String CODEC(ZSTD(1)),
    campaign String CODEC(ZSTD(1)),
    adset String CODEC(ZSTD(1)),
    ad String CODEC(ZSTD(1)),
    keyword String CODEC(ZSTD(1)),
    sub Array(String) CODEC(ZSTD(1)),
    link_id String CODEC(ZSTD(1)),
    click_id String CODEC(ZSTD(1)),
    cost Int64 CODEC(ZSTD(1)),
    cost_currency String CODEC(ZSTD(1)),
    retargeting Bool,
    withheld Bool,
    country String CODEC(ZSTD(1)),
    keys Array(String) CODEC(ZSTD(1)),
    version UInt128
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(original, 'UTC'))
ORDER BY (app_id, key_hash, time, touch_id, version)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS touch_keys_view TO touch_keys AS
SELECT app_id, cityHash64(key) AS key_hash, key, touch_id, original, time, received, digest,
    kind, media_source, medium, campaign, adset, ad, keyword, sub, link_id, click_id,
    cost, cost_currency, retargeting, withheld, country, keys, version
FROM touches ARRAY JOIN keys AS key;

CREATE TABLE IF NOT EXISTS touch_ids
(
    app_id LowCardinality(String),
    id_hash UInt64,
    touch_id String CODEC(ZSTD(1)),
    time Int64 CODEC(Delta, ZSTD(1)),
    received Int64 CODEC(Delta, ZSTD(1)),
    digest UInt64,
    keys Array(String) CODEC(ZSTD(1)),
    version UInt128
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (app_id, id_hash, touch_id, version)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS touch_ids_view TO touch_ids AS
SELECT app_id, cityHash64(touch_id) AS id_hash, touch_id, time, received, digest, keys, version
FROM touches;

-- +goose Down
DROP TABLE IF EXISTS touch_ids_view;
DROP TABLE IF EXISTS touch_keys_view;
DROP TABLE IF EXISTS touch_ids;
DROP TABLE IF EXISTS touch_keys;
DROP TABLE IF EXISTS touches;
