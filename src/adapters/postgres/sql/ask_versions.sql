-- Which of the wanted versions exist, whose they are, and what the asker holds on them.
--
-- Grants without a limit on uses are locked FOR SHARE: revoking is an UPDATE, so it waits for
-- readers in flight and stops later ones. (FOR KEY SHARE would not wait; an advisory lock taken
-- in the reading statement was seen to let a stale read through.) Grants with a limit are not
-- locked here: the guarded UPDATE of spend_uses.sql locks and judges them, and two shared locks
-- that both want to become exclusive would be a deadlock.
-- The clock is read after the locks are held: the CTE is complete before the outer rows are.
WITH shared AS MATERIALIZED (
    SELECT g.* FROM grants g
    WHERE g.tenant_id = :tenant AND g.grantee_id = :person AND g.resource_id = ANY(:documents)
      AND g.max_uses IS NULL
    ORDER BY g.id
    FOR SHARE
), held AS (
    SELECT * FROM shared
    UNION ALL
    SELECT g.* FROM grants g
    WHERE g.tenant_id = :tenant AND g.grantee_id = :person AND g.resource_id = ANY(:documents)
      AND g.max_uses IS NOT NULL
)
SELECT v.document_id, v.version, d.owner_id, d.audit_mode, clock_timestamp() AS at,
       h.id, h.consent_id, h.grantor_id, h.grantee_id, h.resource_id, h.actions, h.purpose,
       h.not_before, h.expires_at, h.max_uses, h.uses_left, h.created_at, h.epoch, h.revoked_at,
       (SELECT e.event_state FROM consent_events e
        WHERE e.tenant_id = :tenant AND e.consent_id = h.consent_id
        ORDER BY e.seq DESC LIMIT 1) AS consent_state
FROM unnest(CAST(:documents AS uuid[]), CAST(:versions AS integer[])) AS wanted (document_id, version)
JOIN versions v ON v.tenant_id = :tenant AND v.document_id = wanted.document_id
     AND v.version = wanted.version
JOIN documents d ON d.tenant_id = :tenant AND d.id = v.document_id
LEFT JOIN held h ON h.resource_id = v.document_id
