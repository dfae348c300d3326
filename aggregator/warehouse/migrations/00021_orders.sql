-- +goose NO TRANSACTION
-- +goose Up
-- The order that a conversion names. repeat_of is the conversion that counts for that
-- order: a row with one has no touches and no revenue, and reports leave it out.
-- untrusted: its revenue was sent with a client key. historical: imported at its own
-- time. Rows of before have none of it until they are attributed again.
ALTER TABLE attributions
    ADD COLUMN IF NOT EXISTS order_id String CODEC(ZSTD(1)) AFTER primary_source,
    ADD COLUMN IF NOT EXISTS repeat_of String CODEC(ZSTD(1)) AFTER order_id,
    ADD COLUMN IF NOT EXISTS untrusted Bool AFTER repeat_of,
    ADD COLUMN IF NOT EXISTS historical Bool AFTER untrusted;
ALTER TABLE what_if_attributions
    ADD COLUMN IF NOT EXISTS order_id String CODEC(ZSTD(1)) AFTER primary_source,
    ADD COLUMN IF NOT EXISTS repeat_of String CODEC(ZSTD(1)) AFTER order_id,
    ADD COLUMN IF NOT EXISTS untrusted Bool AFTER repeat_of,
    ADD COLUMN IF NOT EXISTS historical Bool AFTER untrusted;

-- +goose Down
ALTER TABLE attributions DROP COLUMN IF EXISTS order_id, DROP COLUMN IF EXISTS repeat_of, DROP COLUMN IF EXISTS untrusted, DROP COLUMN IF EXISTS historical;
ALTER TABLE what_if_attributions DROP COLUMN IF EXISTS order_id, DROP COLUMN IF EXISTS repeat_of, DROP COLUMN IF EXISTS untrusted, DROP COLUMN IF EXISTS historical;
