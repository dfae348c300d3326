-- Runs as the owner of the tables, after the migrations. The application role, whose name is in the
-- setting unmogrowp.role, gets what the running program needs of each table. Nothing that is right
-- already is touched: this runs at every start, while other nodes work.
DO $walls$
DECLARE
    application text := current_setting('unmogrowp.role');
    t record;
    wanted text;
    unwanted text;
    -- Each sub-select runs once a statement, not once a row. Nothing set, or the empty text that is left
    -- of a setting after its transaction, means no app.
    scoped constant text := $$((SELECT current_setting('unmogrowp.apps', true)) = '*'
        OR %I = ANY ((SELECT string_to_array(current_setting('unmogrowp.apps', true), ','))::text[]))$$;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = application) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', application);
    END IF;
    -- Nobody but the owner makes tables, temporary ones neither.
    BEGIN
        IF EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = current_schema() AND a.grantee = 0 AND a.privilege_type = 'CREATE') THEN
            EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
        END IF;
        IF has_database_privilege(application, current_database(), 'TEMP') THEN
            EXECUTE format('REVOKE TEMP ON DATABASE %I FROM PUBLIC', current_database());
        END IF;
    EXCEPTION WHEN insufficient_privilege THEN
        NULL; -- they are somebody else's; the program checks at its start what remains
    END;
    IF NOT has_schema_privilege(application, current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), application);
    END IF;
    FOR t IN
        SELECT c.oid, c.relname AS name, c.relrowsecurity AS secured,
            CASE WHEN c.relname = 'apps' THEN 'id'
                ELSE (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('app', 'app_id') AND NOT a.attisdropped LIMIT 1) END AS app
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        wanted := CASE t.name
            WHEN 'audit_log' THEN 'SELECT, INSERT'
            WHEN 'audit_heads' THEN 'SELECT, INSERT'
            WHEN 'audit_head' THEN 'SELECT, UPDATE'
            WHEN 'goose_db_version' THEN 'SELECT'
            ELSE 'SELECT, INSERT, UPDATE, DELETE'
        END;
        SELECT string_agg(p, ', ') INTO unwanted FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
            WHERE p <> ALL (string_to_array(wanted, ', '));
        IF has_table_privilege(application, t.oid, unwanted)
            OR EXISTS (SELECT FROM unnest(string_to_array(wanted, ', ')) p WHERE NOT has_table_privilege(application, t.oid, p)) THEN
            EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, %I', t.name, application);
            EXECUTE format('GRANT %s ON %I TO %I', wanted, t.name, application);
        END IF;
        -- The second wall between apps: see scope.go.
        CONTINUE WHEN t.app IS NULL;
        IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = t.oid AND polname = 'apps_in_scope') THEN
            IF t.name = 'audit_log' THEN -- everybody's doings are recorded
                EXECUTE format('CREATE POLICY apps_in_scope ON %I FOR SELECT USING ' || scoped, t.name, t.app);
                EXECUTE format('CREATE POLICY any_entry ON %I FOR INSERT WITH CHECK (true)', t.name);
            ELSE
                EXECUTE format('CREATE POLICY apps_in_scope ON %I USING ' || scoped, t.name, t.app);
            END IF;
        END IF;
        IF NOT t.secured THEN
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t.name);
        END IF;
    END LOOP;
    FOR t IN
        SELECT c.oid, c.relname AS name FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'S' AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        IF NOT has_sequence_privilege(application, t.oid, 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %I TO %I', t.name, application);
        END IF;
    END LOOP;
END
$walls$;
