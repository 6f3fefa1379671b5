-- One event of the log, what it is about, and what opens its commitments: all or nothing.
-- A trigger queues it for the sequencer.
WITH event AS (
    INSERT INTO audit_events (tenant_id, id, type, at, actor_id, action, purpose, policy_version,
                              actor_commitment, body_commitment)
    VALUES (:tenant, :event, :type, coalesce(CAST(:at AS timestamptz), clock_timestamp()), :actor, :action, :purpose, :policy_version,
            :actor_commitment, :body_commitment)
), body AS (
    INSERT INTO audit_bodies (tenant_id, event_id, salt, body, key_id, sealed_body)
    VALUES (:tenant, :event, :salt, CAST(:body AS jsonb), :body_key, :sealed_body)
), resource AS (
    SELECT * FROM unnest(
        CAST(:documents AS uuid[]), CAST(:versions AS integer[]), CAST(:grants AS uuid[]),
        CAST(:epochs AS integer[]), CAST(:consents AS uuid[]), CAST(:commitments AS bytea[]),
        CAST(:evidence_commitments AS bytea[]), CAST(:salts AS bytea[]), CAST(:keys AS uuid[]),
        CAST(:sealed_evidence AS bytea[])
    ) AS r (document_id, version, grant_id, grant_epoch, consent_id, commitment,
            evidence_commitment, salt, key_id, sealed_evidence)
), opening AS (
    INSERT INTO audit_openings (tenant_id, document_id, event_id, version, salt, key_id, sealed_evidence)
    SELECT :tenant, r.document_id, :event, r.version, r.salt, r.key_id, r.sealed_evidence
    FROM resource r
)
INSERT INTO audit_resources (tenant_id, event_id, document_id, version, grant_id, grant_epoch,
                             consent_id, commitment, evidence_commitment)
SELECT :tenant, :event, r.document_id, r.version, r.grant_id, r.grant_epoch, r.consent_id,
       r.commitment, r.evidence_commitment
FROM resource r
