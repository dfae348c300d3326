-- +goose NO TRANSACTION
-- +goose Up
-- What attribution reads: the touches of many thousand match keys at once, which
-- lie scattered over the whole table. A touch is one value in it, in RowBinary
-- (see readTouch), and little is stored around it, so that a look-up costs one
-- small block and not a piece of each of twenty columns. New fields of a touch go
-- to the end of the row. Openings are in open_keys only.
--
-- Rows with one key hash may be of different keys: who reads them must not mind.
CREATE TABLE IF NOT EXISTS touch_lookup
(
    app_id LowCardinality(String),
    key_hash UInt64,
    time Int64 CODEC(Delta, LZ4),
    id_hash UInt64 CODEC(NONE),
    version UInt128 CODEC(NONE),
    month UInt32 CODEC(LZ4),
    touch String CODEC(LZ4) SETTINGS (min_compress_block_size = 4096, max_compress_block_size = 8192)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY month
PRIMARY KEY (app_id, key_hash)
ORDER BY (app_id, key_hash, time, id_hash, version)
SETTINGS index_granularity = 32, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS touch_lookup_view TO touch_lookup AS
SELECT app_id, cityHash64(key) AS key_hash, time, cityHash64(touch_id) AS id_hash, version,
    toYYYYMM(fromUnixTimestamp64Milli(original, 'UTC')) AS month,
    formatRow('RowBinary', touch_id, original, time, received, digest, toString(kind), media_source, medium, campaign,
        adset, ad, keyword, sub, link_id, click_id, cost, cost_currency, retargeting, withheld, keys, opened, marks) AS touch
FROM touches ARRAY JOIN keys AS key WHERE kind != 'open';

INSERT INTO touch_lookup (app_id, key_hash, time, id_hash, version, month, touch)
SELECT app_id, cityHash64(key) AS key_hash, time, cityHash64(touch_id) AS id_hash, version,
    toYYYYMM(fromUnixTimestamp64Milli(original, 'UTC')) AS month,
    formatRow('RowBinary', touch_id, original, time, received, digest, toString(kind), media_source, medium, campaign,
        adset, ad, keyword, sub, link_id, click_id, cost, cost_currency, retargeting, withheld, keys, opened, marks) AS touch
FROM touches ARRAY JOIN keys AS key WHERE kind != 'open'
SETTINGS max_partitions_per_insert_block = 0, max_execution_time = 0;

-- +goose Down
DROP TABLE IF EXISTS touch_lookup_view;
DROP TABLE IF EXISTS touch_lookup;
