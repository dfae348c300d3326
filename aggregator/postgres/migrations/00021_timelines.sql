-- +goose Up

-- Which history of this database the settings are of. One that was restored from a backup begins a new
-- one: its generations are lower than those that agents have seen, and are newer all the same.
ALTER TABLE settings_generation ADD COLUMN timeline bigint NOT NULL DEFAULT 0;
