-- +goose NO TRANSACTION
-- +goose Up
-- Exact sums of hours, so that a report over months need not read every row.
--
-- A bucket is what one app stated with one hour of original times: all rows that may be the
-- same message lie in it. changed_hours says when a bucket last changed, by copying views that
-- see every insert; who deletes rows writes a time ahead before. rollups has the sums of a
-- bucket as it was at as_of, rollup_hours the newest as_of of each. A bucket whose last change
-- is before its as_of is read from its sums, any other from its rows: see package report.
--
-- as_of is part of the key, so that a question which began with older sums ends with them.
-- fact: 0 events, 1 touches, 2 conversions. kind of a conversion: install, or nothing.
CREATE TABLE IF NOT EXISTS changed_hours
(
    app_id LowCardinality(String),
    fact UInt8,
    hour UInt32,
    changed SimpleAggregateFunction(max, Int64),
    newest SimpleAggregateFunction(max, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (app_id, fact, hour)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS rollups
(
    app_id LowCardinality(String),
    fact UInt8,
    hour UInt32,
    as_of Int64,
    quarter Int64,
    kind LowCardinality(String),
    name String CODEC(ZSTD(1)),
    media_source String CODEC(ZSTD(1)),
    campaign String CODEC(ZSTD(1)),
    adset String CODEC(ZSTD(1)),
    ad String CODEC(ZSTD(1)),
    keyword String CODEC(ZSTD(1)),
    link_id String CODEC(ZSTD(1)),
    country String CODEC(ZSTD(1)),
    currency String CODEC(ZSTD(1)),
    n UInt64,
    paid UInt64,
    revenue Int128,
    gross Int128,
    untrusted Int128,
    INDEX quarter_index quarter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (app_id, fact, hour, as_of, quarter, kind, name, media_source, campaign, adset, ad, keyword, link_id, country, currency)
SETTINGS min_bytes_for_wide_part = 33554432, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE TABLE IF NOT EXISTS rollup_hours
(
    app_id LowCardinality(String),
    fact UInt8,
    hour UInt32,
    as_of SimpleAggregateFunction(max, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (app_id, fact, hour)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS changed_events_view TO changed_hours AS
SELECT app_id, 0 AS fact, toUInt32(intDiv(original, 3600000)) AS hour, max(toUnixTimestamp64Milli(inserted_at)) AS changed, max(received) AS newest
FROM events GROUP BY app_id, hour;
CREATE MATERIALIZED VIEW IF NOT EXISTS changed_touches_view TO changed_hours AS
SELECT app_id, 1 AS fact, toUInt32(intDiv(original, 3600000)) AS hour, max(toUnixTimestamp64Milli(inserted_at)) AS changed, max(received) AS newest
FROM touches GROUP BY app_id, hour;
CREATE MATERIALIZED VIEW IF NOT EXISTS changed_conversions_view TO changed_hours AS
SELECT app_id, 2 AS fact, toUInt32(intDiv(original, 3600000)) AS hour, max(toUnixTimestamp64Milli(inserted_at)) AS changed, max(received) AS newest
FROM conversions GROUP BY app_id, hour;

INSERT INTO changed_hours (app_id, fact, hour, changed, newest)
SELECT app_id, 0, toUInt32(intDiv(original, 3600000)) AS hour, max(toUnixTimestamp64Milli(inserted_at)), max(received)
FROM events GROUP BY app_id, hour SETTINGS max_execution_time = 0;
INSERT INTO changed_hours (app_id, fact, hour, changed, newest)
SELECT app_id, 1, toUInt32(intDiv(original, 3600000)) AS hour, max(toUnixTimestamp64Milli(inserted_at)), max(received)
FROM touches GROUP BY app_id, hour SETTINGS max_execution_time = 0;
INSERT INTO changed_hours (app_id, fact, hour, changed, newest)
SELECT app_id, 2, toUInt32(intDiv(original, 3600000)) AS hour, max(toUnixTimestamp64Milli(inserted_at)), max(received)
FROM conversions GROUP BY app_id, hour SETTINGS max_execution_time = 0;

-- +goose Down
DROP TABLE IF EXISTS changed_conversions_view;
DROP TABLE IF EXISTS changed_touches_view;
DROP TABLE IF EXISTS changed_events_view;
DROP TABLE IF EXISTS rollup_hours;
DROP TABLE IF EXISTS rollups;
DROP TABLE IF EXISTS changed_hours;
