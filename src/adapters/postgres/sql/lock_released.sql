-- What the caller was released, unless it failed before: a row for each version of what is still
-- there, with the key that what is logged of it is sealed to. Nothing is logged of what was erased;
-- of a release of nothing else there is one row without a document.
-- KEY SHARE gives way to indexing, but not to erasing: what is logged is there to be erased with it.
WITH released AS (
    SELECT e.id, e.action, e.purpose, e.transaction_id FROM audit_events e
    WHERE e.tenant_id = :tenant AND e.id = :release AND e.type = 'release' AND e.actor_id = :person
      AND NOT EXISTS (SELECT FROM audit_failures f
                      WHERE f.tenant_id = :tenant AND f.release_id = e.id)
), version AS (
    SELECT r.document_id, r.version FROM released e
    JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = e.id
         AND r.transaction_id = e.transaction_id
), living AS MATERIALIZED (
    SELECT d.id FROM documents d
    WHERE d.tenant_id = :tenant AND d.id = ANY (ARRAY(SELECT v.document_id FROM version v))
    ORDER BY d.id
    FOR KEY SHARE
)
SELECT e.action, e.purpose, v.document_id, v.version, v.key_id, v.public_key
FROM released e
LEFT JOIN (
    SELECT v.document_id, v.version, k.id AS key_id, k.public_key
    FROM version v
    JOIN living l ON l.id = v.document_id
    JOIN data_keys k ON k.tenant_id = :tenant AND k.resource_id = v.document_id AND k.kind = 'evidence'
) v ON true
