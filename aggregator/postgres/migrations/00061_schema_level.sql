-- +goose Up
-- What the schemas of both databases are, and of what level a program must be to work with them.
-- A migration that takes something away which a program of an earlier level needs raises `needs`; all
-- others leave it alone. See docs/operations/upgrades.md.
CREATE TABLE schema_level (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    level    int NOT NULL, -- of the newest program that has migrated
    needs    int NOT NULL  -- the lowest level that still works
);
INSERT INTO schema_level (level, needs) VALUES (2, 1);

-- +goose Down
DROP TABLE schema_level;
