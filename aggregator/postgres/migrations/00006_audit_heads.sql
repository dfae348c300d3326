-- +goose Up

-- Signatures over the end of the audit log. Whoever cuts the log off, or writes it anew, would need the
-- signing key as well, which is sealed; and whoever cuts this table off too is found out by the copies
-- outside of the database.
CREATE TABLE audit_heads (
    seq       bigint PRIMARY KEY,
    hash      bytea NOT NULL,
    time      timestamptz NOT NULL,
    key       text NOT NULL, -- the public key, in base64
    signature bytea NOT NULL
);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_heads_rows BEFORE UPDATE OR DELETE ON audit_heads
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_heads_table BEFORE TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- +goose Down
-- There is no way down: it would delete proofs.
