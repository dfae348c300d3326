-- +goose Up
ALTER TABLE agents ADD COLUMN url text NOT NULL DEFAULT '' CHECK (length(url) <= 300);
ALTER TABLE apps ADD COLUMN addresses text NOT NULL DEFAULT '' CHECK (addresses IN ('', 'truncate', 'drop'));

-- +goose Down
ALTER TABLE apps DROP COLUMN addresses;
ALTER TABLE agents DROP COLUMN url;
