-- Who may do what: row-level security on every tenant table, the gate's functions, grants.

-- Row-level security. The setting is local to a transaction (`set_config(..., true)`), so that
-- a pooled connection never carries one request's tenant into the next.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_isolation ON %I
             USING (tenant_id = (SELECT nullif(current_setting(''app.tenant'', true), '''')::uuid))
             WITH CHECK (tenant_id = (SELECT nullif(current_setting(''app.tenant'', true), '''')::uuid))', name);
    END LOOP;
END
$$;

-- Facts are appended, never changed: not by the application, and not by the owner of the table.
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: it is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['consent_events', 'audit_events', 'audit_resources', 'audit_leaves',
                                'audit_numbers', 'audit_nodes', 'audit_checkpoints', 'audit_takes', 'notices']
    LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()', name);
    END LOOP;
END
$$;

-- Whatever is recorded is queued for the tree, by the database and not by whoever records it.
CREATE FUNCTION queue_for_the_log() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_pending (tenant_id, event_id) VALUES (NEW.tenant_id, NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER queue_for_the_log AFTER INSERT ON audit_events
    FOR EACH ROW EXECUTE FUNCTION queue_for_the_log();

-- The keys of a release. A wrapped data key can be had only against a release that another
-- transaction committed, in the same tenant, by the same person, less than 30 seconds ago,
-- and only once. Whoever forgets to write the release has no key.
CREATE FUNCTION take_deks(release uuid)
RETURNS TABLE (document_id uuid, version integer, kind text, grant_id uuid, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_wrapped bytea,
               tenant_key_id uuid, tenant_wrapped bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    person uuid := nullif(current_setting('app.person', true), '')::uuid;
BEGIN
    PERFORM 1 FROM audit_events e
    WHERE e.tenant_id = tenant AND e.id = release AND e.type = 'release' AND e.actor_id = person
      AND e.transaction_id <> pg_current_xact_id()
      AND e.at BETWEEN clock_timestamp() - interval '30 seconds' AND clock_timestamp();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no committed release' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit_takes (tenant_id, event_id) VALUES (tenant, release);  -- a second take fails here
    RETURN QUERY
        SELECT r.document_id, r.version, k.kind, r.grant_id, k.owner_id, k.id, k.wrapped,
               s.id, s.wrapped, t.id, t.wrapped
        FROM audit_events e
        JOIN audit_resources r ON r.tenant_id = e.tenant_id AND r.event_id = e.id
             AND r.transaction_id = e.transaction_id  -- nothing is added to a release afterwards
        JOIN data_keys k ON k.tenant_id = r.tenant_id AND k.resource_id = r.document_id
             AND (k.kind = 'metadata' OR (k.kind = 'content' AND k.version = r.version))
        JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
        JOIN LATERAL (SELECT w.id, w.wrapped FROM wrapping_keys w
                      WHERE w.tenant_id = tenant AND w.subject_id IS NULL
                      ORDER BY w.version DESC LIMIT 1) t ON true
        WHERE e.tenant_id = tenant AND e.id = release;
END
$$;

-- What people typed into titles and chats, for those who typed it: no release is needed to
-- list one's own titles or to reread one's own conversations.
CREATE FUNCTION take_own_keys(resources uuid[])
RETURNS TABLE (resource_id uuid, kind text, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_wrapped bytea,
               tenant_key_id uuid, tenant_wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.resource_id, k.kind, k.owner_id, k.id, k.wrapped, s.id, s.wrapped, t.id, t.wrapped
    FROM data_keys k
    JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
    JOIN LATERAL (SELECT w.id, w.wrapped FROM wrapping_keys w
                  WHERE w.tenant_id = k.tenant_id AND w.subject_id IS NULL
                  ORDER BY w.version DESC LIMIT 1) t ON true
    WHERE k.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid
      AND k.owner_id = nullif(current_setting('app.person', true), '')::uuid
      AND k.kind IN ('metadata', 'conversation')
      AND k.resource_id = ANY (resources)
$$;

-- Signing in names a tenant; row-level security would hide it before it is known.
CREATE FUNCTION tenant_named(wanted text) RETURNS TABLE (tenant_id uuid, sign_up_open boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.tenant_id, t.sign_up_open FROM tenants t WHERE t.name = wanted
$$;

-- The few sweeps that look across tenants see ids, and nothing else.
CREATE FUNCTION tenants_with_pending_events() RETURNS TABLE (tenant_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT p.tenant_id FROM audit_pending p
$$;

CREATE FUNCTION abandoned_runs() RETURNS TABLE (tenant_id uuid, run_id uuid, owner_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT r.tenant_id, r.id, r.owner_id FROM runs r
    WHERE r.state = 'running' AND r.lease_expires_at < clock_timestamp()
    LIMIT 100
$$;

CREATE FUNCTION abandoned_blobs() RETURNS TABLE (tenant_id uuid, blob_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.tenant_id, b.id FROM blobs b
    WHERE b.length IS NULL AND b.created_at < clock_timestamp() - interval '1 hour'
    LIMIT 100
$$;

-- Whether a lost keyring would be a loss: asked before a new one is made.
CREATE FUNCTION holds_keys() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM wrapping_keys)
$$;

-- These functions read past row-level security of the tables' owner, which FORCE binds too.
CREATE POLICY owner_functions ON tenants FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON audit_pending FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON runs FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON blobs FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON wrapping_keys FOR SELECT TO CURRENT_USER USING (true);

REVOKE ALL ON FUNCTION take_deks, take_own_keys, tenant_named, tenants_with_pending_events,
    abandoned_runs, abandoned_blobs, holds_keys, refuse_rewriting, queue_for_the_log,
    fn_pgqueuer_changed FROM PUBLIC;

GRANT USAGE ON SCHEMA public TO strongroom_app, strongroom_sequencer, strongroom_auditor;

-- The application.
GRANT EXECUTE ON FUNCTION take_deks, take_own_keys, tenant_named, abandoned_runs, abandoned_blobs,
    holds_keys TO strongroom_app;
GRANT SELECT ON tenants, purposes TO strongroom_app;
GRANT SELECT, INSERT, UPDATE ON people, sessions, refresh_tokens TO strongroom_app;
GRANT SELECT, INSERT ON wrapping_keys TO strongroom_app;
GRANT SELECT (tenant_id, id, kind, owner_id, resource_id, version, wrapping_key_id, created_at),
      INSERT, DELETE ON data_keys TO strongroom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON blobs, documents, versions, conversations, messages, runs
    TO strongroom_app;
GRANT SELECT, INSERT, DELETE ON blob_parts, document_events, passages, passage_vectors, postings,
    run_events, run_sources TO strongroom_app;
GRANT SELECT, INSERT ON notices, consents, consent_events, consent_receipts, idempotency_keys
    TO strongroom_app;
GRANT SELECT, INSERT ON grants TO strongroom_app;
GRANT UPDATE (uses_left, epoch, revoked_at) ON grants TO strongroom_app;
-- transaction_id is not among the columns that may be given: it is always the writing transaction.
GRANT SELECT, INSERT (tenant_id, id, type, at, actor_id, action, purpose, policy_version)
    ON audit_events TO strongroom_app;
GRANT SELECT, INSERT (tenant_id, event_id, document_id, version, grant_id, grant_epoch, consent_id)
    ON audit_resources TO strongroom_app;
GRANT SELECT, INSERT ON audit_bodies TO strongroom_app;
GRANT SELECT ON audit_pending, audit_leaves, audit_numbers, audit_nodes, audit_checkpoints
    TO strongroom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics
    TO strongroom_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO strongroom_app;
GRANT EXECUTE ON FUNCTION fn_pgqueuer_changed TO strongroom_app;

-- The sequencer integrates the log, and sees nothing but the log.
GRANT EXECUTE ON FUNCTION tenants_with_pending_events TO strongroom_sequencer;
GRANT SELECT ON audit_events, audit_bodies, audit_resources TO strongroom_sequencer;
GRANT SELECT, DELETE ON audit_pending TO strongroom_sequencer;
GRANT SELECT, INSERT ON audit_leaves, audit_numbers, audit_nodes, audit_checkpoints
    TO strongroom_sequencer;

-- The auditor reads facts, never content.
GRANT SELECT ON audit_events, audit_resources, audit_leaves, audit_numbers, audit_nodes,
    audit_checkpoints, consents, consent_events, grants, tenants TO strongroom_auditor;
