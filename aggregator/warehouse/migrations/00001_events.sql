-- +goose NO TRANSACTION
-- +goose Up
-- Every message as received. A message may arrive any number of times, from any
-- agent, at any time: the partition and the order key are functions of what the
-- client sent, so all its rows meet in one place and one of them stays.
--
-- The greatest version stays. It is made so that this is the row with the
-- smallest (received, digest): 48 bits of received, 64 of digest and, as a
-- tie-break, the low 16 of time, all inverted.
--
-- A message without a usable timestamp has original = 0: January 1970 is the
-- partition of those.
CREATE TABLE IF NOT EXISTS events
(
    app_id LowCardinality(String),
    event_id String CODEC(ZSTD(1)),
    kind LowCardinality(String),
    name String CODEC(ZSTD(1)),
    original Int64 CODEC(Delta, ZSTD(1)),
    time Int64 CODEC(Delta, ZSTD(1)),
    received Int64 CODEC(Delta, ZSTD(1)),
    digest UInt64,
    user_id String CODEC(ZSTD(1)),
    anonymous_id String CODEC(ZSTD(1)),
    device_id String CODEC(ZSTD(1)),
    gaid String CODEC(ZSTD(1)),
    idfa String CODEC(ZSTD(1)),
    idfv String CODEC(ZSTD(1)),
    oaid String CODEC(ZSTD(1)),
    previous_id String CODEC(ZSTD(1)),
    group_id String CODEC(ZSTD(1)),
    click_id String CODEC(ZSTD(1)),
    referrer String CODEC(ZSTD(1)),
    media_source String CODEC(ZSTD(1)),
    medium String CODEC(ZSTD(1)),
    campaign String CODEC(ZSTD(1)),
    adset String CODEC(ZSTD(1)),
    ad String CODEC(ZSTD(1)),
    keyword String CODEC(ZSTD(1)),
    sub Array(String) CODEC(ZSTD(1)),
    link_id String CODEC(ZSTD(1)),
    cost Int64 CODEC(ZSTD(1)),
    cost_currency String CODEC(ZSTD(1)),
    revenue Int64 CODEC(ZSTD(1)),
    currency String CODEC(ZSTD(1)),
    flags UInt16,
    consent UInt8,
    ip String CODEC(ZSTD(1)),
    user_agent String CODEC(ZSTD(1)),
    country String CODEC(ZSTD(1)),
    payload String CODEC(ZSTD(3)),
    agent_id LowCardinality(String),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt128 MATERIALIZED
        bitShiftLeft(toUInt128(bitAnd(bitNot(toUInt64(received)), 0xFFFFFFFFFFFF)), 80)
        + bitShiftLeft(toUInt128(bitNot(digest)), 16)
        + toUInt128(bitAnd(bitNot(toUInt64(time)), 0xFFFF)),
    INDEX time_index time TYPE minmax GRANULARITY 1,
    CONSTRAINT named CHECK app_id != '' AND event_id != '',
    CONSTRAINT stamped CHECK time >= 0 AND received >= 0 AND received < 281474976710656,
    CONSTRAINT few_partitions CHECK original = 0 OR original BETWEEN 946684800000 AND 4102444799999
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(original, 'UTC'))
ORDER BY (app_id, toStartOfHour(fromUnixTimestamp64Milli(original, 'UTC')), event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS events;
