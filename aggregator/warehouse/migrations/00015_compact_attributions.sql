-- +goose NO TRANSACTION
-- +goose Up
-- A row of attributions has some eighty columns. Above 10 MB ClickHouse writes a part
-- with files for each column, and each file is synced: an insert of 20,000 rows then is a
-- hundred waits for the disk, and on a disk that is busy takes tens of seconds. In a
-- compact part all columns are in one file. Parts grow beyond that by merging.
ALTER TABLE attributions MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE what_if_attributions MODIFY SETTING min_bytes_for_wide_part = 134217728;

-- +goose Down
ALTER TABLE attributions RESET SETTING min_bytes_for_wide_part;
ALTER TABLE what_if_attributions RESET SETTING min_bytes_for_wide_part;
