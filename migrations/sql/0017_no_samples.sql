-- ANALYZE keeps samples of what it finds, in pg_statistic, until it comes by again. Of something
-- that was erased they would keep what it was wrapped, sealed and committed to with, and of what
-- lies in the open its words, vectors and names. No query needs these samples: searches look up by
-- key whatever the planner believes (see search.sql), and the rest is found by unique keys.

CREATE PROCEDURE keep_no_samples(name regclass) LANGUAGE plpgsql AS $$
DECLARE
    chosen name;
BEGIN
    FOR chosen IN
        SELECT a.attname FROM pg_attribute a
        WHERE a.attrelid = name AND a.attnum > 0 AND NOT a.attisdropped
          AND (a.atttypid IN ('bytea'::regtype, 'halfvec'::regtype)
               OR (name, a.attname) IN (('postings'::regclass, 'lexeme'),
                                        ('people'::regclass, 'email'),
                                        ('people'::regclass, 'display_name')))
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', name, chosen);
        -- What was sampled so far stays, where the server cannot be told to forget it, until the
        -- table is analyzed again: then the column is left out.
        IF to_regprocedure('pg_clear_attribute_stats(text, text, text, boolean)') IS NOT NULL THEN
            EXECUTE format('SELECT pg_clear_attribute_stats(%L, %L, %L, false)',
                (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.oid = name),
                (SELECT relname FROM pg_class WHERE oid = name), chosen);
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON PROCEDURE keep_no_samples FROM PUBLIC;

DO $$
DECLARE
    kept regclass;
BEGIN
    FOR kept IN
        SELECT c.oid FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
          AND EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    LOOP
        CALL keep_no_samples(kept);
    END LOOP;
END
$$;

-- Every table of tenants that comes later is treated alike.
CREATE OR REPLACE PROCEDURE isolate_tenant_table(name regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
        'CREATE POLICY tenant_isolation ON %s
         USING (tenant_id = (SELECT nullif(current_setting(''app.tenant'', true), '''')::uuid))
         WITH CHECK (tenant_id = (SELECT nullif(current_setting(''app.tenant'', true), '''')::uuid))', name);
    CALL keep_no_samples(name);
END
$$;
