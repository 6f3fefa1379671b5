-- Wrapping keys have versions: one is active, older ones only unwrap, until nothing is left under them.

ALTER TABLE wrapping_keys
    ADD COLUMN wrapping_key_id uuid,      -- the tenant's key that wraps a subject's; NULL: the root key does
    ADD COLUMN retired_at timestamptz;    -- since when a newer version is active

-- Row-level security binds the owner of the table too: it would see no tenant's rows.
ALTER TABLE wrapping_keys NO FORCE ROW LEVEL SECURITY;
UPDATE wrapping_keys s SET wrapping_key_id = t.id FROM wrapping_keys t
WHERE t.tenant_id = s.tenant_id AND t.subject_id IS NULL AND s.subject_id IS NOT NULL;
ALTER TABLE wrapping_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE wrapping_keys
    ADD CONSTRAINT wrapping_keys_under_fkey FOREIGN KEY (tenant_id, wrapping_key_id)
        REFERENCES wrapping_keys,
    ADD CONSTRAINT wrapping_keys_level_check
        CHECK ((subject_id IS NULL) = (wrapping_key_id IS NULL));
CREATE UNIQUE INDEX wrapping_keys_active_idx ON wrapping_keys (tenant_id, subject_id)
    NULLS NOT DISTINCT WHERE retired_at IS NULL;
CREATE INDEX wrapping_keys_retired_idx ON wrapping_keys (tenant_id) WHERE retired_at IS NOT NULL;
-- What is left under a key: asked in batches, and by the foreign keys when it is destroyed.
CREATE INDEX wrapping_keys_under_idx ON wrapping_keys (tenant_id, wrapping_key_id);
CREATE INDEX data_keys_under_idx ON data_keys (tenant_id, wrapping_key_id, id);

-- The same doors as before, but each key comes with the one that really wraps it.
DROP FUNCTION take_deks;
CREATE FUNCTION take_deks(release uuid)
RETURNS TABLE (document_id uuid, version integer, kind text, grant_id uuid, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_key_version integer, subject_wrapped bytea,
               tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
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
               s.id, s.version, s.wrapped, t.id, t.version, t.wrapped
        FROM audit_events e
        JOIN audit_resources r ON r.tenant_id = e.tenant_id AND r.event_id = e.id
             AND r.transaction_id = e.transaction_id  -- nothing is added to a release afterwards
        JOIN data_keys k ON k.tenant_id = r.tenant_id AND k.resource_id = r.document_id
             AND (k.kind = 'metadata' OR (k.kind = 'content' AND k.version = r.version))
        JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
        JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = s.wrapping_key_id
        WHERE e.tenant_id = tenant AND e.id = release;
END
$$;

DROP FUNCTION take_own_keys;
CREATE FUNCTION take_own_keys(resources uuid[])
RETURNS TABLE (resource_id uuid, kind text, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_key_version integer, subject_wrapped bytea,
               tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.resource_id, k.kind, k.owner_id, k.id, k.wrapped,
           s.id, s.version, s.wrapped, t.id, t.version, t.wrapped
    FROM data_keys k
    JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
    JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = s.wrapping_key_id
    WHERE k.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid
      AND k.owner_id = nullif(current_setting('app.person', true), '')::uuid
      AND k.kind <> 'content'
      AND k.resource_id = ANY (resources)
$$;

DROP FUNCTION take_evidence_keys;
CREATE FUNCTION take_evidence_keys(events uuid[])
RETURNS TABLE (resource_id uuid, kind text, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_key_version integer, subject_wrapped bytea,
               tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH asker AS (
        SELECT nullif(current_setting('app.tenant', true), '')::uuid AS tenant,
               nullif(current_setting('app.person', true), '')::uuid AS person
    ), sealed AS (
        SELECT o.key_id, e.type = 'release' AND e.actor_id = a.person AS is_released
        FROM asker a
        JOIN audit_events e ON e.tenant_id = a.tenant AND e.id = ANY (events)
        JOIN audit_resources r ON r.tenant_id = a.tenant AND r.event_id = e.id
             AND r.transaction_id = e.transaction_id
        JOIN audit_openings o ON o.tenant_id = a.tenant AND o.document_id = r.document_id
             AND o.event_id = e.id AND o.version = r.version
        UNION
        SELECT b.key_id, false
        FROM asker a JOIN audit_bodies b ON b.tenant_id = a.tenant AND b.event_id = ANY (events)
    )
    SELECT DISTINCT k.resource_id, k.kind, k.owner_id, k.id, k.wrapped,
           s.id, s.version, s.wrapped, t.id, t.version, t.wrapped
    FROM asker a
    JOIN sealed ON true
    JOIN data_keys k ON k.tenant_id = a.tenant AND k.id = sealed.key_id AND k.kind = 'evidence'
    JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
    JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = s.wrapping_key_id
    WHERE k.owner_id = a.person OR sealed.is_released
$$;

-- The active keys, for whoever wraps a new one. They are held until that transaction ends, so that
-- none is destroyed between being read and having something stored under it. One that was retired
-- just then is passed over, and the look is repeated.
CREATE FUNCTION hold_tenant_key()
RETURNS TABLE (tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
BEGIN
    LOOP
        RETURN QUERY
            SELECT t.id, t.version, t.wrapped FROM wrapping_keys t
            WHERE t.tenant_id = tenant AND t.subject_id IS NULL AND t.retired_at IS NULL
            FOR KEY SHARE;
        EXIT WHEN FOUND OR NOT EXISTS (
            SELECT 1 FROM wrapping_keys t WHERE t.tenant_id = tenant AND t.subject_id IS NULL);
    END LOOP;
END
$$;

CREATE FUNCTION hold_subject_key(subject uuid)
RETURNS TABLE (subject_key_id uuid, subject_key_version integer, subject_wrapped bytea,
               tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
BEGIN
    LOOP
        RETURN QUERY
            SELECT s.id, s.version, s.wrapped, t.id, t.version, t.wrapped
            FROM wrapping_keys s
            JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = s.wrapping_key_id
            WHERE s.tenant_id = tenant AND s.subject_id = subject AND s.retired_at IS NULL
            FOR KEY SHARE OF s;
        EXIT WHEN FOUND OR NOT EXISTS (
            SELECT 1 FROM wrapping_keys s WHERE s.tenant_id = tenant AND s.subject_id = subject);
    END LOOP;
END
$$;

-- Where there is something to rewrap: ids, and nothing else.
CREATE FUNCTION tenants_with_retired_keys() RETURNS TABLE (tenant_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT w.tenant_id FROM wrapping_keys w WHERE w.retired_at IS NOT NULL
$$;

CREATE FUNCTION tenants_with_keys() RETURNS TABLE (tenant_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT w.tenant_id FROM wrapping_keys w WHERE w.subject_id IS NULL AND w.retired_at IS NULL
$$;

REVOKE ALL ON FUNCTION take_deks, take_own_keys, take_evidence_keys, hold_tenant_key, hold_subject_key,
    tenants_with_retired_keys, tenants_with_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_deks, take_own_keys, take_evidence_keys, hold_tenant_key,
    hold_subject_key TO strongroom_app;

-- The application needs the bytes of a wrapping key only through those doors.
REVOKE SELECT ON wrapping_keys FROM strongroom_app;
GRANT SELECT (tenant_id, id, subject_id, version, wrapping_key_id, created_at, retired_at)
    ON wrapping_keys TO strongroom_app;

-- The keykeeper moves wrapped keys from one version to the next. It sees wrapped keys and never a
-- ciphertext, while the application sees ciphertext and never a wrapped key without a release.
GRANT USAGE ON SCHEMA public TO strongroom_keykeeper;
GRANT EXECUTE ON FUNCTION tenants_with_retired_keys, tenants_with_keys TO strongroom_keykeeper;
GRANT SELECT, INSERT, UPDATE (wrapped, wrapping_key_id, retired_at), DELETE ON wrapping_keys
    TO strongroom_keykeeper;
GRANT SELECT, UPDATE (wrapped, wrapping_key_id) ON data_keys TO strongroom_keykeeper;
GRANT INSERT (tenant_id, id, type, at, actor_id, action, purpose, policy_version,
              actor_commitment, body_commitment) ON audit_events TO strongroom_keykeeper;
GRANT INSERT (tenant_id, event_id, document_id, version, grant_id, grant_epoch, consent_id,
              commitment, evidence_commitment) ON audit_resources TO strongroom_keykeeper;
GRANT INSERT ON audit_bodies, audit_openings TO strongroom_keykeeper;
