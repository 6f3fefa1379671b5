-- Takes what waits for the log, numbers its releases, and returns all that leaves are made of.
--
-- Only the holder of the log's lock runs this, and in a statement after the one that took the
-- lock, so that it sees what the holder before committed. Taking rows out of a queue loses none,
-- while paging by a serial id would: ids are given before the commit.
-- A resource that some later transaction added to an event is no part of it.
WITH drained AS (
    DELETE FROM audit_pending p
    WHERE p.tenant_id = :tenant AND p.event_id = ANY (ARRAY(
        SELECT w.event_id FROM audit_pending w WHERE w.tenant_id = :tenant
        ORDER BY w.event_id LIMIT :limit
    ))
    RETURNING p.event_id
), event AS MATERIALIZED (
    SELECT e.*, b.salt, b.body
    FROM audit_events e
    LEFT JOIN audit_bodies b ON b.tenant_id = :tenant AND b.event_id = e.id
    WHERE e.tenant_id = :tenant AND e.id = ANY (ARRAY(SELECT d.event_id FROM drained d))
), resource AS MATERIALIZED (
    SELECT r.*, e.type, e.at
    FROM audit_resources r
    JOIN event e ON e.id = r.event_id AND e.transaction_id = r.transaction_id
    WHERE r.tenant_id = :tenant AND r.event_id = ANY (ARRAY(SELECT d.event_id FROM drained d))
), latest AS (
    SELECT d.document_id, coalesce((
        SELECT n.release_seq FROM audit_numbers n
        WHERE n.tenant_id = :tenant AND n.document_id = d.document_id
        ORDER BY n.release_seq DESC LIMIT 1), 0) AS release_seq
    FROM (SELECT DISTINCT r.document_id FROM resource r WHERE r.type = 'release') d
), numbered AS (
    INSERT INTO audit_numbers (tenant_id, document_id, release_seq, event_id, version)
    SELECT :tenant, r.document_id,
           l.release_seq + row_number() OVER (PARTITION BY r.document_id
                                              ORDER BY r.at, r.event_id, r.version),
           r.event_id, r.version
    FROM resource r JOIN latest l ON l.document_id = r.document_id
    WHERE r.type = 'release'
    RETURNING event_id, document_id, version, release_seq
)
SELECT e.id, e.type, e.at, e.actor_id, e.action, e.purpose, e.policy_version, e.salt, e.body,
       extract(epoch FROM clock_timestamp() - e.at)::float8 AS waited_seconds,
       r.document_id, r.version, r.grant_id, r.grant_epoch, r.consent_id, n.release_seq
FROM event e
LEFT JOIN resource r ON r.event_id = e.id
LEFT JOIN numbered n ON n.event_id = r.event_id AND n.document_id = r.document_id
     AND n.version = r.version
ORDER BY e.at, e.id, r.document_id, r.version
