-- One event of the log, what its commitments are made of, and what it is about: all or nothing.
-- A trigger queues it for the sequencer.
WITH event AS (
    INSERT INTO audit_events (tenant_id, id, type, at, actor_id, action, purpose, policy_version)
    VALUES (:tenant, :event, :type, coalesce(CAST(:at AS timestamptz), clock_timestamp()), :actor, :action, :purpose, :policy_version)
), body AS (
    INSERT INTO audit_bodies (tenant_id, event_id, salt, body)
    VALUES (:tenant, :event, :salt, CAST(:body AS jsonb))
)
INSERT INTO audit_resources
    (tenant_id, event_id, document_id, version, grant_id, grant_epoch, consent_id)
SELECT :tenant, :event, r.* FROM unnest(
    CAST(:documents AS uuid[]), CAST(:versions AS integer[]), CAST(:grants AS uuid[]),
    CAST(:epochs AS integer[]), CAST(:consents AS uuid[])
) AS r
