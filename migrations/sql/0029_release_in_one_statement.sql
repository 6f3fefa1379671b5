-- The release gate's statements, each a transaction of its own: no lock is held while a client thinks.
-- They run with their caller's rights. Each enters its tenant first, as row-level security demands,
-- which a plain statement cannot do: nothing would say that it does so before it reads. Their plans
-- are made once: for each new array of ids the planner would rather plan anew, which takes four times
-- as long as asking.

CREATE FUNCTION enter_tenant(tenant uuid, person uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant', tenant::text, true), set_config('app.person', person::text, true);
END
$$;

-- Which of the wanted versions exist, whose they are, which collections hold them, and what the
-- asker was granted on either. Version -1 is the current one. What does not exist has a row as well,
-- as long as that of what exists: otherwise the time would tell.
-- Nothing is locked: whatever is decided on this, hold_release makes sure that it still stands.
CREATE FUNCTION ask_versions(tenant uuid, person uuid, wanted_documents uuid[], wanted_versions integer[])
RETURNS TABLE (
    document_id uuid, wanted_version integer, version integer, text_commitment bytea,
    document_owner_id uuid, audit_mode text, asked_at timestamptz, collections uuid[],
    evidence_key_id uuid, evidence_public_key bytea,
    id uuid, consent_id uuid, parent_id uuid, ancestors uuid[], owner_id uuid, grantor_id uuid,
    grantee_id uuid, resource_kind text, resource_id uuid, fields text[], versions integer[],
    actions text[], purpose text, not_before timestamptz, expires_at timestamptz,
    max_uses integer, uses_left integer, interval_uses integer, interval_seconds integer,
    interval_left integer, interval_started_at timestamptz, retention_seconds bigint,
    required_acr text, is_counted boolean, created_at timestamptz, epoch integer,
    revoked_at timestamptz, consent_state text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_tenant(tenant, person);
    RETURN QUERY
        WITH holding AS MATERIALIZED (
            SELECT i.collection_id, i.document_id FROM collection_items i
            WHERE i.tenant_id = tenant AND i.document_id = ANY (wanted_documents)
              AND EXISTS (SELECT FROM grants g
                          WHERE g.tenant_id = tenant AND g.resource_id = i.collection_id
                            AND g.grantee_id = person AND g.resource_kind = 'collection')
        ), held AS MATERIALIZED (
            SELECT g.* FROM grants g
            WHERE g.tenant_id = tenant AND g.grantee_id = person
              AND g.resource_id = ANY (wanted_documents || ARRAY(SELECT h.collection_id FROM holding h))
        )
        SELECT wanted.document_id, wanted.version, v.version, v.text_commitment,
               d.owner_id, d.audit_mode, clock_timestamp(),
               ARRAY(SELECT i.collection_id FROM holding i WHERE i.document_id = wanted.document_id
                     ORDER BY i.collection_id),
               k.id, k.public_key,
               h.id, h.consent_id, h.parent_id, h.ancestors, h.owner_id, h.grantor_id,
               h.grantee_id, h.resource_kind, h.resource_id, h.fields, h.versions,
               h.actions, h.purpose, h.not_before, h.expires_at,
               h.max_uses, h.uses_left, h.interval_uses, h.interval_seconds,
               h.interval_left, h.interval_started_at, h.retention_seconds,
               h.required_acr, h.is_counted, h.created_at, h.epoch,
               h.revoked_at,
               (SELECT e.event_state FROM consent_events e
                WHERE e.tenant_id = tenant AND e.consent_id = h.consent_id
                ORDER BY e.seq DESC LIMIT 1)
        FROM unnest(wanted_documents, wanted_versions) AS wanted (document_id, version)
        LEFT JOIN documents d ON d.tenant_id = tenant AND d.id = wanted.document_id
        LEFT JOIN versions v ON v.tenant_id = tenant AND v.document_id = d.id
             AND v.version = CASE wanted.version WHEN -1 THEN d.current_version ELSE wanted.version END
        LEFT JOIN data_keys k ON k.tenant_id = tenant AND k.resource_id = wanted.document_id
             AND k.kind = 'evidence'
        LEFT JOIN held h ON CASE WHEN h.resource_kind = 'collection'
            THEN EXISTS (SELECT FROM holding i
                         WHERE i.collection_id = h.resource_id AND i.document_id = wanted.document_id)
            ELSE h.resource_id = wanted.document_id END;
END
$$;

-- Take one use from each of these grants and from every grant it comes from, where all of these have
-- one and are open now: all of a chain, or none of it. `payers` names the grant that each link pays for.
-- Every condition is in the WHERE of the UPDATE, so that no race can pass between looking and taking.
-- An interval that is over begins anew. Returns the grants whose chain was not paid.
CREATE FUNCTION spend_uses(tenant uuid, payers uuid[], links uuid[]) RETURNS uuid[]
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    refused uuid[];
BEGIN
    -- In the order of ids. What may be spent is judged by the next statement, which begins once
    -- these are held.
    PERFORM FROM grants g
    WHERE g.tenant_id = tenant AND g.id = ANY (links) AND g.is_counted
    ORDER BY g.id
    FOR NO KEY UPDATE;

    WITH chain AS MATERIALIZED (
        SELECT * FROM unnest(payers, links) AS c (grant_id, link_id)
    ), judged AS MATERIALIZED (
        SELECT g.id,
               g.interval_started_at IS NULL
                   OR clock_timestamp() >= g.interval_started_at + make_interval(secs => g.interval_seconds)
                   AS is_new_interval
        FROM grants g
        WHERE g.tenant_id = tenant AND g.id IN (SELECT link_id FROM chain)
    ), open AS MATERIALIZED (
        SELECT g.id, j.is_new_interval FROM grants g JOIN judged j ON j.id = g.id
        WHERE g.tenant_id = tenant AND g.revoked_at IS NULL
          AND g.not_before <= clock_timestamp() AND clock_timestamp() < g.expires_at
          AND (g.uses_left IS NULL OR g.uses_left > 0)
          AND (g.interval_uses IS NULL OR j.is_new_interval OR g.interval_left > 0)
    ), paying AS MATERIALIZED (
        SELECT c.grant_id FROM chain c LEFT JOIN open o ON o.id = c.link_id
        GROUP BY c.grant_id HAVING bool_and(o.id IS NOT NULL)
    ), spent AS (
        UPDATE grants g
        SET uses_left = g.uses_left - 1,
            interval_left = CASE WHEN o.is_new_interval THEN g.interval_uses ELSE g.interval_left END - 1,
            interval_started_at = CASE WHEN g.interval_uses IS NULL THEN NULL
                                       WHEN o.is_new_interval THEN clock_timestamp()
                                       ELSE g.interval_started_at END
        FROM open o
        WHERE g.tenant_id = tenant AND g.id = o.id AND g.is_counted AND g.revoked_at IS NULL
          AND (g.uses_left IS NULL OR g.uses_left > 0)
          AND (g.interval_uses IS NULL OR o.is_new_interval OR g.interval_left > 0)
          AND g.id IN (SELECT c.link_id FROM chain c JOIN paying p USING (grant_id))
        RETURNING g.id
    ), paid AS (
        SELECT c.grant_id FROM chain c JOIN paying p USING (grant_id)
        LEFT JOIN grants g ON g.tenant_id = tenant AND g.id = c.link_id
        LEFT JOIN spent s ON s.id = c.link_id
        GROUP BY c.grant_id HAVING bool_and(s.id IS NOT NULL OR NOT g.is_counted)
    )
    SELECT array_agg(DISTINCT c.grant_id) INTO refused FROM chain c
    WHERE NOT EXISTS (SELECT FROM paid p WHERE p.grant_id = c.grant_id);
    RETURN refused;
END
$$;

-- Hold what a decision rests on until the transaction ends, and make sure that it still stands: else
-- an error with the code SR001, whose detail names the grants that had no use left, if that is why.
-- Called by the statement that writes the release, so that they are one transaction.
--
-- In the order in which withdrawal and erasure take them. Documents first: what is logged of one, be
-- it a denial, is there to be erased with it, or is logged of nothing. KEY SHARE gives way to
-- indexing, but not to erasing. Then that they are in collections; taking one out is a DELETE, for
-- which KEY SHARE is enough. Then the grants, FOR SHARE: revoking is an UPDATE, so it waits for this
-- transaction, and where it came first, the row that is looked at here is the revoked one. (FOR KEY
-- SHARE would not wait; an advisory lock taken in the reading statement was seen to let a stale read
-- through.) A grant's terms never change (refuse_widening), so its epoch says all. Counted ones are
-- not locked here: spending a use locks and judges them, and two shared locks that both want to
-- become exclusive would be a deadlock.
CREATE FUNCTION hold_release(tenant uuid, person uuid, documents uuid[],
                             collections uuid[], items uuid[], grants uuid[], epochs integer[],
                             counted uuid[], links uuid[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    held bigint;
    stands boolean;
    refused uuid[];
BEGIN
    PERFORM enter_tenant(tenant, person);
    PERFORM FROM documents d
    WHERE d.tenant_id = tenant AND d.id = ANY (documents)
    ORDER BY d.id
    FOR KEY SHARE;
    GET DIAGNOSTICS held = ROW_COUNT;
    stands := held = cardinality(documents);
    IF stands AND cardinality(items) > 0 THEN
        PERFORM FROM collection_items i
        WHERE i.tenant_id = tenant
          AND (i.collection_id, i.document_id) IN (SELECT * FROM unnest(collections, items))
        ORDER BY i.collection_id, i.document_id
        FOR KEY SHARE OF i;
        GET DIAGNOSTICS held = ROW_COUNT;
        stands := held = cardinality(items);
    END IF;
    IF stands AND cardinality(grants) > 0 THEN
        PERFORM FROM grants g
        WHERE g.tenant_id = tenant AND g.id = ANY (grants)
          AND g.epoch = epochs[array_position(grants, g.id)] AND g.revoked_at IS NULL
          AND clock_timestamp() < g.expires_at
        ORDER BY g.id
        FOR SHARE;
        GET DIAGNOSTICS held = ROW_COUNT;
        stands := held = cardinality(grants);
    END IF;
    IF stands AND cardinality(counted) > 0 THEN
        refused := spend_uses(tenant, counted, links);
        stands := refused IS NULL;
    END IF;
    IF NOT stands THEN
        RAISE EXCEPTION 'what was decided on has changed'
            USING ERRCODE = 'SR001', DETAIL = coalesce(array_to_string(refused, ' '), '');
    END IF;
END
$$;

-- One event of the log, what it is about, and what opens its commitments: all or nothing.
-- A trigger queues it for the sequencer.
CREATE FUNCTION record_event(
    tenant uuid, event uuid, type text, at timestamptz, actor uuid, action text, purpose text,
    policy_version text, actor_commitment bytea, body_commitment bytea,
    body_salt bytea, body jsonb, body_key uuid, sealed_body bytea,
    documents uuid[], versions integer[], grants uuid[], epochs integer[], consents uuid[],
    commitments bytea[], evidence_commitments bytea[], salts bytea[], keys uuid[],
    sealed_evidence bytea[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    INSERT INTO audit_events (tenant_id, id, type, at, actor_id, action, purpose, policy_version,
                              actor_commitment, body_commitment)
    VALUES (tenant, event, type, coalesce(at, clock_timestamp()), actor, action, purpose, policy_version,
            actor_commitment, body_commitment);
    INSERT INTO audit_bodies (tenant_id, event_id, salt, body, key_id, sealed_body)
    VALUES (tenant, event, body_salt, body, body_key, sealed_body);
    INSERT INTO audit_resources (tenant_id, event_id, document_id, version, grant_id, grant_epoch,
                                 consent_id, commitment, evidence_commitment)
    SELECT tenant, event, r.* FROM unnest(documents, versions, grants, epochs, consents, commitments,
                                          evidence_commitments) AS r;
    INSERT INTO audit_openings (tenant_id, document_id, event_id, version, salt, key_id, sealed_evidence)
    SELECT tenant, r.document_id, event, r.version, r.salt, r.key_id, r.sealed_evidence
    FROM unnest(documents, versions, salts, keys, sealed_evidence)
        AS r (document_id, version, salt, key_id, sealed_evidence);
END
$$;

REVOKE ALL ON FUNCTION enter_tenant, ask_versions, spend_uses, hold_release, record_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enter_tenant, ask_versions, spend_uses, hold_release TO strongroom_app;
GRANT EXECUTE ON FUNCTION record_event TO strongroom_app, strongroom_keykeeper;
