-- +goose NO TRANSACTION
-- +goose Up
-- Openings of the app, marks of fraud and what became of both. A touch of kind
-- open is in open_keys instead of touch_keys: a person has many, and they are only
-- looked for where a retargeting link was touched.
-- marks: 1 bot, 2 malformed advertising id, 4 address in a blocked range.
ALTER TABLE touches ADD COLUMN IF NOT EXISTS opened Bool AFTER withheld, ADD COLUMN IF NOT EXISTS marks UInt8 AFTER opened;
ALTER TABLE touch_keys ADD COLUMN IF NOT EXISTS opened Bool AFTER withheld, ADD COLUMN IF NOT EXISTS marks UInt8 AFTER opened;
ALTER TABLE touch_keys_view MODIFY QUERY
SELECT app_id, cityHash64(key) AS key_hash, key, touch_id, original, time, received, digest,
    kind, media_source, medium, campaign, adset, ad, keyword, sub, link_id, click_id,
    cost, cost_currency, retargeting, withheld, opened, marks, country, keys, version
FROM touches ARRAY JOIN keys AS key WHERE kind != 'open';

CREATE TABLE IF NOT EXISTS open_keys
(
    app_id LowCardinality(String),
    key_hash UInt64,
    key String CODEC(ZSTD(1)),
    touch_id String CODEC(ZSTD(1)),
    original Int64 CODEC(Delta, ZSTD(1)),
    time Int64 CODEC(Delta, ZSTD(1)),
    received Int64 CODEC(Delta, ZSTD(1)),
    digest UInt64,
    keys Array(String) CODEC(ZSTD(1)),
    version UInt128
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(original, 'UTC'))
ORDER BY (app_id, key_hash, time, touch_id, version)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS open_keys_view TO open_keys AS
SELECT app_id, cityHash64(key) AS key_hash, key, touch_id, original, time, received, digest, keys, version
FROM touches ARRAY JOIN keys AS key WHERE kind = 'open';

-- The store's own stamps of an install, in milliseconds, 0 unknown.
ALTER TABLE conversions ADD COLUMN IF NOT EXISTS install_begin Int64 CODEC(ZSTD(1)) AFTER withheld,
    ADD COLUMN IF NOT EXISTS referrer_click Int64 CODEC(ZSTD(1)) AFTER install_begin, ADD COLUMN IF NOT EXISTS marks UInt8 AFTER referrer_click;
ALTER TABLE conversion_keys ADD COLUMN IF NOT EXISTS install_begin Int64 CODEC(ZSTD(1)) AFTER withheld,
    ADD COLUMN IF NOT EXISTS referrer_click Int64 CODEC(ZSTD(1)) AFTER install_begin, ADD COLUMN IF NOT EXISTS marks UInt8 AFTER referrer_click;
ALTER TABLE conversion_ids ADD COLUMN IF NOT EXISTS install_begin Int64 CODEC(ZSTD(1)) AFTER withheld,
    ADD COLUMN IF NOT EXISTS referrer_click Int64 CODEC(ZSTD(1)) AFTER install_begin, ADD COLUMN IF NOT EXISTS marks UInt8 AFTER referrer_click;
ALTER TABLE conversion_keys_view MODIFY QUERY
SELECT app_id, cityHash64(key) AS key_hash, key, conversion_id, original, time, received, digest,
    name, install, revenue, has_revenue, currency, untrusted, click_id, referrer, withheld, install_begin, referrer_click, marks, country, keys, version
FROM conversions ARRAY JOIN keys AS key;
ALTER TABLE conversion_ids_view MODIFY QUERY
SELECT app_id, cityHash64(conversion_id) AS id_hash, conversion_id, original, time, received, digest,
    name, install, revenue, has_revenue, currency, untrusted, click_id, referrer, withheld, install_begin, referrer_click, marks, country, keys, version
FROM conversions;

-- The re-engagement whose window a conversion lies in, the source it primarily
-- counts for, and the rules that marked the install, its candidates and the path.
ALTER TABLE attributions
    ADD COLUMN IF NOT EXISTS fraud_rule LowCardinality(String) AFTER link_id,
    ADD COLUMN IF NOT EXISTS fraud_level LowCardinality(String) AFTER fraud_rule,
    ADD COLUMN IF NOT EXISTS primary_source LowCardinality(String) AFTER fraud_level,
    ADD COLUMN IF NOT EXISTS retargeting_open_id String CODEC(ZSTD(1)) AFTER primary_source,
    ADD COLUMN IF NOT EXISTS retargeting_opened_at Int64 CODEC(ZSTD(1)) AFTER retargeting_open_id,
    ADD COLUMN IF NOT EXISTS retargeting_touch_id String CODEC(ZSTD(1)) AFTER retargeting_opened_at,
    ADD COLUMN IF NOT EXISTS retargeting_media_source String CODEC(ZSTD(1)) AFTER retargeting_touch_id,
    ADD COLUMN IF NOT EXISTS retargeting_campaign String CODEC(ZSTD(1)) AFTER retargeting_media_source,
    ADD COLUMN IF NOT EXISTS retargeting_adset String CODEC(ZSTD(1)) AFTER retargeting_campaign,
    ADD COLUMN IF NOT EXISTS retargeting_ad String CODEC(ZSTD(1)) AFTER retargeting_adset,
    ADD COLUMN IF NOT EXISTS retargeting_keyword String CODEC(ZSTD(1)) AFTER retargeting_ad,
    ADD COLUMN IF NOT EXISTS retargeting_link_id String CODEC(ZSTD(1)) AFTER retargeting_keyword,
    ADD COLUMN IF NOT EXISTS touches_fraud Array(LowCardinality(String)) AFTER touches_link_id,
    ADD COLUMN IF NOT EXISTS candidates_fraud Array(LowCardinality(String)) AFTER candidates_verdict;
ALTER TABLE what_if_attributions
    ADD COLUMN IF NOT EXISTS fraud_rule LowCardinality(String) AFTER link_id,
    ADD COLUMN IF NOT EXISTS fraud_level LowCardinality(String) AFTER fraud_rule,
    ADD COLUMN IF NOT EXISTS primary_source LowCardinality(String) AFTER fraud_level,
    ADD COLUMN IF NOT EXISTS retargeting_open_id String CODEC(ZSTD(1)) AFTER primary_source,
    ADD COLUMN IF NOT EXISTS retargeting_opened_at Int64 CODEC(ZSTD(1)) AFTER retargeting_open_id,
    ADD COLUMN IF NOT EXISTS retargeting_touch_id String CODEC(ZSTD(1)) AFTER retargeting_opened_at,
    ADD COLUMN IF NOT EXISTS retargeting_media_source String CODEC(ZSTD(1)) AFTER retargeting_touch_id,
    ADD COLUMN IF NOT EXISTS retargeting_campaign String CODEC(ZSTD(1)) AFTER retargeting_media_source,
    ADD COLUMN IF NOT EXISTS retargeting_adset String CODEC(ZSTD(1)) AFTER retargeting_campaign,
    ADD COLUMN IF NOT EXISTS retargeting_ad String CODEC(ZSTD(1)) AFTER retargeting_adset,
    ADD COLUMN IF NOT EXISTS retargeting_keyword String CODEC(ZSTD(1)) AFTER retargeting_ad,
    ADD COLUMN IF NOT EXISTS retargeting_link_id String CODEC(ZSTD(1)) AFTER retargeting_keyword,
    ADD COLUMN IF NOT EXISTS touches_fraud Array(LowCardinality(String)) AFTER touches_link_id,
    ADD COLUMN IF NOT EXISTS candidates_fraud Array(LowCardinality(String)) AFTER candidates_verdict;

-- +goose Down
-- Columns stay: what was stored with them would be lost.
DROP TABLE IF EXISTS open_keys_view;
DROP TABLE IF EXISTS open_keys;
