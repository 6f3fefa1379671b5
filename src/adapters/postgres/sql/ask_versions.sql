-- Which of the wanted versions exist, whose they are, which collections hold them, and what the
-- asker was granted on either. Version -1 is the current one. What does not exist has a row as well,
-- as long as that of what exists: otherwise the time would tell.
--
-- Grants under which nothing is counted are locked FOR SHARE: revoking is an UPDATE, so it waits
-- for readers in flight and stops later ones. (FOR KEY SHARE would not wait; an advisory lock
-- taken in the reading statement was seen to let a stale read through.) Counted ones are not
-- locked here: spending a use locks and judges them, and two shared locks that both want to become
-- exclusive would be a deadlock. Being in a collection is held as well; taking a document out is
-- a DELETE, for which KEY SHARE is enough.
--
-- First the documents, in the order of lock_sources.sql: what is logged of one, be it a denial, is
-- there to be erased with it, or is logged of nothing. KEY SHARE gives way to indexing, but not to
-- erasing. Which version is current is read in the statement's snapshot, as its row is.
-- The clock is read after the locks are held: the CTEs are complete before the outer rows are.
WITH living AS MATERIALIZED (
    SELECT d.id FROM documents d
    WHERE d.tenant_id = :tenant AND d.id = ANY(:documents)
    ORDER BY d.id
    FOR KEY SHARE
), holding AS MATERIALIZED (
    SELECT i.collection_id, i.document_id FROM collection_items i
    WHERE i.tenant_id = :tenant AND i.document_id IN (SELECT id FROM living)
      AND EXISTS (SELECT 1 FROM grants g
                  WHERE g.tenant_id = :tenant AND g.resource_id = i.collection_id
                    AND g.grantee_id = :person AND g.resource_kind = 'collection')
    ORDER BY i.collection_id, i.document_id
    FOR KEY SHARE OF i
), shared AS MATERIALIZED (
    SELECT g.* FROM grants g
    WHERE (SELECT count(*) FROM living) >= 0
      AND g.tenant_id = :tenant AND g.grantee_id = :person AND NOT g.is_counted
      AND g.resource_id = ANY (:documents || ARRAY(SELECT h.collection_id FROM holding h))
    ORDER BY g.id
    FOR SHARE
), held AS (
    SELECT * FROM shared
    UNION ALL
    SELECT g.* FROM grants g
    WHERE g.tenant_id = :tenant AND g.grantee_id = :person AND g.is_counted
      AND g.resource_id = ANY (:documents || ARRAY(SELECT h.collection_id FROM holding h))
)
SELECT wanted.document_id, wanted.version AS wanted_version, v.version, v.text_commitment,
       d.owner_id AS document_owner_id, d.audit_mode,
       clock_timestamp() AS asked_at,
       ARRAY(SELECT i.collection_id FROM holding i WHERE i.document_id = wanted.document_id
             ORDER BY i.collection_id) AS collections,
       k.id AS evidence_key_id, k.public_key AS evidence_public_key,
       h.*,
       (SELECT e.event_state FROM consent_events e
        WHERE e.tenant_id = :tenant AND e.consent_id = h.consent_id
        ORDER BY e.seq DESC LIMIT 1) AS consent_state
FROM unnest(CAST(:documents AS uuid[]), CAST(:wanted AS integer[])) AS wanted (document_id, version)
LEFT JOIN living l ON l.id = wanted.document_id
LEFT JOIN documents d ON d.tenant_id = :tenant AND d.id = l.id
LEFT JOIN versions v ON v.tenant_id = :tenant AND v.document_id = l.id
     AND v.version = CASE wanted.version WHEN -1 THEN d.current_version ELSE wanted.version END
LEFT JOIN data_keys k ON k.tenant_id = :tenant AND k.resource_id = wanted.document_id
     AND k.kind = 'evidence'
LEFT JOIN held h ON CASE WHEN h.resource_kind = 'collection'
    THEN EXISTS (SELECT 1 FROM holding i
                 WHERE i.collection_id = h.resource_id AND i.document_id = wanted.document_id)
    ELSE h.resource_id = wanted.document_id END
