-- The number of the last release of each of these documents, and of those in these collections, up
-- to a thousand. What is committed and waits for the log is counted: it gets the numbers that follow.
WITH waiting AS MATERIALIZED (
    SELECT r.document_id
    FROM audit_pending p
    JOIN audit_events e ON e.tenant_id = :tenant AND e.id = p.event_id AND e.type = 'release'
    JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = e.id
         AND r.transaction_id = e.transaction_id
    WHERE p.tenant_id = :tenant
), held AS (
    SELECT i.document_id FROM collection_items i
    WHERE i.tenant_id = :tenant AND i.collection_id = ANY (CAST(:collections AS uuid[]))
    ORDER BY i.document_id LIMIT 1000
), meant AS (
    SELECT unnest(CAST(:documents AS uuid[])) AS document_id UNION SELECT h.document_id FROM held h
), counted AS (
    SELECT m.document_id,
           coalesce((SELECT n.release_seq FROM audit_numbers n
                     WHERE n.tenant_id = :tenant AND n.document_id = m.document_id
                     ORDER BY n.release_seq DESC LIMIT 1), 0)
           + (SELECT count(*) FROM waiting w WHERE w.document_id = m.document_id) AS last
    FROM meant m
)
SELECT c.document_id, c.last FROM counted c WHERE c.last > 0
