-- Takes what waits for the log, numbers its releases, and returns all that leaves are made of: a
-- row for each version that an event is about.
--
-- Only the holder of the log's lock runs this, and in a statement after the one that took the
-- lock, so that it sees what the holder before committed. Taking rows out of a queue loses none,
-- while paging by a serial id would: ids are given before the commit.
-- A version that some later transaction added to an event is no part of it.
-- The parts are flat, and found by key: joining them to each other, whose sizes the planner cannot
-- know, was seen to compare every row with every other.
WITH drained AS (
    DELETE FROM audit_pending p
    WHERE p.tenant_id = :tenant AND p.event_id = ANY (ARRAY(
        SELECT w.event_id FROM audit_pending w WHERE w.tenant_id = :tenant
        ORDER BY w.event_id LIMIT :limit
    ))
    RETURNING p.event_id
), entry AS MATERIALIZED (
    SELECT e.id, e.type, e.at, e.actor_id, e.action, e.purpose, e.policy_version,
           e.actor_commitment, e.body_commitment, b.salt, b.body,
           r.document_id, r.version, r.grant_id, r.grant_epoch, r.consent_id,
           r.commitment, r.evidence_commitment, NULL AS resource_salt,
           CASE WHEN e.type = 'release' AND r.document_id IS NOT NULL THEN coalesce((
               SELECT n.release_seq FROM audit_numbers n
               WHERE n.tenant_id = :tenant AND n.document_id = r.document_id
               ORDER BY n.release_seq DESC LIMIT 1), 0)
           + row_number() OVER (PARTITION BY e.type = 'release', r.document_id
                                ORDER BY e.at, e.id, r.version) END AS release_seq
    FROM audit_events e
    LEFT JOIN audit_bodies b ON b.tenant_id = :tenant AND b.event_id = e.id
    LEFT JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = e.id
         AND r.transaction_id = e.transaction_id
    WHERE e.tenant_id = :tenant AND e.id = ANY (ARRAY(SELECT d.event_id FROM drained d))
), numbered AS (
    INSERT INTO audit_numbers (tenant_id, document_id, release_seq, event_id, version)
    SELECT :tenant, e.document_id, e.release_seq, e.id, e.version
    FROM entry e
    WHERE e.release_seq IS NOT NULL
)
SELECT e.*, extract(epoch FROM clock_timestamp() - e.at)::float8 AS waited_seconds
FROM entry e
ORDER BY e.at, e.id, e.document_id, e.version
