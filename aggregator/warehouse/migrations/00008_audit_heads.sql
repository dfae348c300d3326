-- +goose NO TRANSACTION
-- +goose Up
-- Copies of the signed heads of the audit log, whose own home is Postgres: whoever cuts the log off there,
-- together with its heads, is found out by these. A head is kept as the JSON that was signed.
CREATE TABLE IF NOT EXISTS audit_heads
(
    seq UInt64,
    head String CODEC(ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (seq, head)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- +goose Down
DROP TABLE IF EXISTS audit_heads;
