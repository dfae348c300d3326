-- +goose Up

-- Roles beside the five that are built in.
CREATE TABLE roles (
    name        text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{1,39}$' AND name NOT IN ('owner', 'operator', 'marketer', 'analyst', 'viewer')),
    description text NOT NULL DEFAULT '',
    permissions text[] NOT NULL CHECK (cardinality(permissions) > 0),
    created_at  timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE role_assignments DROP CONSTRAINT role_assignments_role_check;

-- +goose Down
DELETE FROM role_assignments WHERE role NOT IN ('owner', 'operator', 'marketer', 'analyst', 'viewer');
ALTER TABLE role_assignments ADD CONSTRAINT role_assignments_role_check CHECK (role IN ('owner', 'operator', 'marketer', 'analyst', 'viewer'));
DROP TABLE roles;
