-- +goose NO TRANSACTION
-- +goose Up
-- Every content that every message id came with, so that an id which is used for
-- several (event_id_conflict) is found whatever it states and however far apart its
-- uses lie: events itself keeps only one row of a key, and merges drop the others.
-- An id is its hash here; the hour of the client's time leads to it in events.
--
-- The rows of one id are found by the order, what came in lately by the partitions
-- and by each part's range of inserted_at. The same content sent again in another
-- month lies here twice, which changes nothing.
CREATE TABLE IF NOT EXISTS event_ids
(
    app_id LowCardinality(String),
    id_hash UInt64 CODEC(NONE),
    digest UInt64 CODEC(NONE),
    received Int64 CODEC(ZSTD(1)),
    hour UInt32 CODEC(ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    version UInt64 MATERIALIZED bitNot(toUInt64(received)) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(inserted_at)
ORDER BY (app_id, id_hash, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS event_ids_view TO event_ids AS
SELECT app_id, cityHash64(event_id) AS id_hash, digest, received, toUInt32(intDiv(original, 3600000)) AS hour, inserted_at
FROM events;

INSERT INTO event_ids (app_id, id_hash, digest, received, hour, inserted_at)
SELECT app_id, cityHash64(event_id) AS id_hash, digest, received, toUInt32(intDiv(original, 3600000)) AS hour, inserted_at
FROM events
SETTINGS max_partitions_per_insert_block = 0, max_execution_time = 0;

-- +goose Down
DROP TABLE IF EXISTS event_ids_view;
DROP TABLE IF EXISTS event_ids;
