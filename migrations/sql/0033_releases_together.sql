-- Releases of readers who come at the same time, in one transaction; and their keys in another.

-- Many events at once: each column is an array. Lists that are about one event each name it in the array
-- before them. What each release was decided on is held as hold_release holds it, in the same
-- order and with the same conditions, but nothing is waited for: a release whose document, item or
-- grant is not there as it was, or is locked by somebody who changes it, is left out. Returns those:
-- each is then tried alone, where hold_release waits for it and says why it does not stand.
-- So nobody waits here for what somebody else's release rests on, and nothing can be a deadlock.
-- Grants whose uses are counted do not come here.
CREATE FUNCTION record_releases(
    tenant uuid, events uuid[], types text[], ats timestamptz[], actors uuid[], actions text[],
    purposes text[], policy_versions text[], actor_commitments bytea[], body_commitments bytea[],
    body_salts bytea[], body_keys uuid[], sealed_bodies bytea[],
    resource_events uuid[], documents uuid[], versions integer[], grants uuid[], epochs integer[],
    consents uuid[], commitments bytea[], evidence_commitments bytea[], salts bytea[], keys uuid[],
    sealed_evidence bytea[],
    document_events uuid[], held_documents uuid[],
    item_events uuid[], held_collections uuid[], held_items uuid[],
    grant_events uuid[], held_grants uuid[], held_epochs integer[]) RETURNS uuid[]
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_variable
DECLARE
    found_documents uuid[];
    found_collections uuid[];
    found_items uuid[];
    found_grants uuid[];
    found_epochs integer[];
    left_out uuid[];
BEGIN
    PERFORM enter_tenant(tenant, NULL);
    found_documents := ARRAY(
        SELECT d.id FROM documents d
        WHERE d.tenant_id = tenant AND d.id = ANY (held_documents)
        ORDER BY d.id
        FOR KEY SHARE SKIP LOCKED);
    IF cardinality(held_items) > 0 THEN
        SELECT array_agg(h.collection_id), array_agg(h.document_id) INTO found_collections, found_items
        FROM (SELECT i.collection_id, i.document_id FROM collection_items i
              WHERE i.tenant_id = tenant
                AND (i.collection_id, i.document_id) IN (SELECT * FROM unnest(held_collections, held_items))
              ORDER BY i.collection_id, i.document_id
              FOR KEY SHARE OF i SKIP LOCKED) AS h;
    END IF;
    SELECT array_agg(h.id), array_agg(h.epoch) INTO found_grants, found_epochs
    FROM (SELECT g.id, g.epoch FROM grants g
          WHERE g.tenant_id = tenant AND g.id = ANY (held_grants)
            AND g.revoked_at IS NULL AND clock_timestamp() < g.expires_at
          ORDER BY g.id
          FOR SHARE SKIP LOCKED) AS h;
    left_out := ARRAY(
        SELECT w.event FROM unnest(document_events, held_documents) AS w (event, document)
        WHERE w.document <> ALL (found_documents)
        UNION ALL
        SELECT w.event FROM unnest(item_events, held_collections, held_items) AS w (event, collection, item)
        WHERE NOT EXISTS (SELECT FROM unnest(found_collections, found_items) AS f (collection, item)
                          WHERE f.collection = w.collection AND f.item = w.item)
        UNION ALL
        SELECT w.event FROM unnest(grant_events, held_grants, held_epochs) AS w (event, id, epoch)
        WHERE NOT EXISTS (SELECT FROM unnest(found_grants, found_epochs) AS f (id, epoch)
                          WHERE f.id = w.id AND f.epoch = w.epoch));

    INSERT INTO audit_events (tenant_id, id, type, at, actor_id, action, purpose, policy_version,
                              actor_commitment, body_commitment)
    SELECT tenant, e.id, e.type, coalesce(e.at, clock_timestamp()), e.actor_id, e.action, e.purpose,
           e.policy_version, e.actor_commitment, e.body_commitment
    FROM unnest(events, types, ats, actors, actions, purposes, policy_versions, actor_commitments,
                body_commitments)
        AS e (id, type, at, actor_id, action, purpose, policy_version, actor_commitment, body_commitment)
    WHERE e.id <> ALL (left_out);
    INSERT INTO audit_bodies (tenant_id, event_id, salt, key_id, sealed_body)
    SELECT tenant, b.* FROM unnest(events, body_salts, body_keys, sealed_bodies) AS b (event)
    WHERE b.event <> ALL (left_out);
    INSERT INTO audit_resources (tenant_id, event_id, document_id, version, grant_id, grant_epoch,
                                 consent_id, commitment, evidence_commitment)
    SELECT tenant, r.* FROM unnest(resource_events, documents, versions, grants, epochs, consents,
                                   commitments, evidence_commitments) AS r (event)
    WHERE r.event <> ALL (left_out);
    INSERT INTO audit_openings (tenant_id, event_id, document_id, version, salt, key_id, sealed_evidence)
    SELECT tenant, r.* FROM unnest(resource_events, documents, versions, salts, keys, sealed_evidence)
        AS r (event)
    WHERE r.event <> ALL (left_out);
    RETURN left_out;
END
$$;

-- The keys of releases that another transaction committed, each for the person who says that it is
-- theirs: in this tenant, less than 30 seconds ago, and only once. All of these or none. Whoever forgets
-- to write a release has no key.
-- Everything is found by key, whatever the planner believes of tables that were small when it planned.
CREATE FUNCTION take_released(releases uuid[], persons uuid[])
RETURNS TABLE (release_id uuid, document_id uuid, version integer, kind text, grant_id uuid,
               owner_id uuid, key_id uuid, wrapped bytea,
               subject_key_id uuid, subject_key_version integer, subject_wrapped bytea,
               tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    taken bigint;
BEGIN
    INSERT INTO audit_takes (tenant_id, event_id)  -- a second take fails here
    SELECT tenant, e.id
    FROM unnest(releases, persons) AS asked (release, person)
    JOIN audit_events e ON e.tenant_id = tenant AND e.id = asked.release
    WHERE e.type = 'release' AND e.actor_id = asked.person
      AND e.transaction_id <> pg_current_xact_id()
      AND e.at BETWEEN clock_timestamp() - interval '30 seconds' AND clock_timestamp();
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF taken <> cardinality(releases) THEN
        RAISE EXCEPTION 'no committed release' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
        SELECT e.id, r.document_id, r.version, k.kind, r.grant_id, k.owner_id, k.id, k.wrapped,
               s.id, s.version, s.wrapped, t.id, t.version, t.wrapped
        FROM unnest(releases) AS asked (release)
        JOIN audit_events e ON e.tenant_id = tenant AND e.id = asked.release
        JOIN audit_resources r ON r.tenant_id = e.tenant_id AND r.event_id = e.id
             AND r.transaction_id = e.transaction_id  -- nothing is added to a release afterwards
        JOIN data_keys k ON k.tenant_id = r.tenant_id AND k.resource_id = r.document_id
             AND (k.kind = 'metadata' OR (k.kind = 'content' AND k.version = r.version))
        JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
        JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = s.wrapping_key_id;
END
$$;

-- Of one release, for the person that is set: through the same door.
CREATE OR REPLACE FUNCTION take_deks(release uuid)
RETURNS TABLE (document_id uuid, version integer, kind text, grant_id uuid, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_key_version integer, subject_wrapped bytea,
               tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.document_id, k.version, k.kind, k.grant_id, k.owner_id, k.key_id, k.wrapped,
           k.subject_key_id, k.subject_key_version, k.subject_wrapped,
           k.tenant_key_id, k.tenant_key_version, k.tenant_wrapped
    FROM take_released(ARRAY[release],
                       ARRAY[nullif(current_setting('app.person', true), '')::uuid]) AS k
$$;

-- Queued by statement: of many events written together, once for all.
CREATE OR REPLACE FUNCTION queue_for_the_log() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_pending (tenant_id, event_id) SELECT w.tenant_id, w.id FROM written w;
    RETURN NULL;
END
$$;
DROP TRIGGER queue_for_the_log ON audit_events;
CREATE TRIGGER queue_for_the_log AFTER INSERT ON audit_events
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION queue_for_the_log();

REVOKE ALL ON FUNCTION record_releases, take_released FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_releases, take_released TO strongroom_app;
