-- +goose NO TRANSACTION
-- +goose Up
-- A part of a wide table has files for each column, and each is synced: an insert of a few
-- thousand events is a hundred waits for the disk, and merging such parts as many again. In a
-- compact part all columns are in one file. Parts grow beyond that by merging.
ALTER TABLE events MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE touches MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE touch_keys MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE touch_ids MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE open_keys MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE conversions MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE conversion_keys MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE conversion_ids MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE identity_links MODIFY SETTING min_bytes_for_wide_part = 33554432;
ALTER TABLE event_ids MODIFY SETTING min_bytes_for_wide_part = 33554432;

-- +goose Down
ALTER TABLE events RESET SETTING min_bytes_for_wide_part;
ALTER TABLE touches RESET SETTING min_bytes_for_wide_part;
ALTER TABLE touch_keys RESET SETTING min_bytes_for_wide_part;
ALTER TABLE touch_ids RESET SETTING min_bytes_for_wide_part;
ALTER TABLE open_keys RESET SETTING min_bytes_for_wide_part;
ALTER TABLE conversions RESET SETTING min_bytes_for_wide_part;
ALTER TABLE conversion_keys RESET SETTING min_bytes_for_wide_part;
ALTER TABLE conversion_ids RESET SETTING min_bytes_for_wide_part;
ALTER TABLE identity_links RESET SETTING min_bytes_for_wide_part;
ALTER TABLE event_ids RESET SETTING min_bytes_for_wide_part;
