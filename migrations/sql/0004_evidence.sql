-- Evidence: what each decision was made from, committed to in the leaf and sealed at rest.

-- Sealed to a public key: whoever writes evidence needs no secret, and asks no key service.
-- The private half is a data key, of the document that evidence is about or of the person who acted.
ALTER TABLE data_keys
    ADD COLUMN public_key bytea,
    DROP CONSTRAINT data_keys_kind_check,
    ADD CONSTRAINT data_keys_kind_check
        CHECK (kind IN ('content', 'metadata', 'conversation', 'collection', 'evidence')),
    ADD CONSTRAINT data_keys_public_key_check CHECK ((kind = 'evidence') = (public_key IS NOT NULL));

-- Commitments are made when an event is written, for the sequencer cannot read what is sealed.
-- NULL: an event that a release of Strongroom before this one wrote.
ALTER TABLE audit_events ADD COLUMN actor_commitment bytea, ADD COLUMN body_commitment bytea;
ALTER TABLE audit_resources ADD COLUMN commitment bytea, ADD COLUMN evidence_commitment bytea;

ALTER TABLE audit_bodies
    ALTER COLUMN body DROP NOT NULL,  -- in the clear; nothing writes it any more
    ADD COLUMN key_id uuid,           -- of the person who acted
    ADD COLUMN sealed_body bytea;     -- NULL: the body is empty

-- What opens the commitments on one resource of one event. Erasing the document deletes it, and
-- with it nothing of the other documents in the same event.
CREATE TABLE audit_openings (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    event_id uuid NOT NULL,
    version integer NOT NULL,
    salt bytea NOT NULL,
    key_id uuid,                  -- what the evidence is sealed to
    sealed_evidence bytea,
    PRIMARY KEY (tenant_id, document_id, event_id, version),
    FOREIGN KEY (tenant_id, event_id, document_id, version) REFERENCES audit_resources
);

CALL isolate_tenant_table('audit_openings');
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit_openings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- The keys of evidence: one's own, of own documents and of what one did; and of the documents that
-- were released to oneself in these events. A denial tells why only to the owner.
CREATE FUNCTION take_evidence_keys(events uuid[])
RETURNS TABLE (resource_id uuid, kind text, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_wrapped bytea,
               tenant_key_id uuid, tenant_wrapped bytea)
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
    SELECT DISTINCT k.resource_id, k.kind, k.owner_id, k.id, k.wrapped, s.id, s.wrapped, t.id, t.wrapped
    FROM asker a
    JOIN sealed ON true
    JOIN data_keys k ON k.tenant_id = a.tenant AND k.id = sealed.key_id AND k.kind = 'evidence'
    JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
    JOIN LATERAL (SELECT w.id, w.wrapped FROM wrapping_keys w
                  WHERE w.tenant_id = k.tenant_id AND w.subject_id IS NULL
                  ORDER BY w.version DESC LIMIT 1) t ON true
    WHERE k.owner_id = a.person OR sealed.is_released
$$;

-- The one way to delete from the log's tables: what opens, of one's own document, and never a leaf.
CREATE FUNCTION erase_openings(document uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM audit_openings o
        USING documents d
        WHERE o.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid
          AND o.document_id = document
          AND d.tenant_id = o.tenant_id AND d.id = o.document_id
          AND d.owner_id = nullif(current_setting('app.person', true), '')::uuid
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

REVOKE ALL ON FUNCTION take_evidence_keys, erase_openings FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_evidence_keys, erase_openings TO strongroom_app;
GRANT SELECT (public_key) ON data_keys TO strongroom_app;
GRANT SELECT, INSERT ON audit_openings TO strongroom_app;
GRANT INSERT (actor_commitment, body_commitment) ON audit_events TO strongroom_app;
GRANT INSERT (commitment, evidence_commitment) ON audit_resources TO strongroom_app;
