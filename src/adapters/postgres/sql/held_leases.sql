-- Which of these releases may still be shown: their grant is open, of the epoch that is in the log,
-- and still about the document. One look for all the streams of a tenant. No lock: what is found
-- holds for a second at most.
SELECT r.event_id, r.document_id, r.version
FROM unnest(CAST(:releases AS uuid[]), CAST(:documents AS uuid[]), CAST(:versions AS integer[]))
     AS held (release, document, version)
JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = held.release
     AND r.document_id = held.document AND r.version = held.version
JOIN grants g ON g.tenant_id = :tenant AND g.id = r.grant_id AND g.epoch = r.grant_epoch
WHERE g.revoked_at IS NULL AND clock_timestamp() < g.expires_at
  AND (g.resource_id = r.document_id OR EXISTS (
      SELECT 1 FROM collection_items i
      WHERE i.tenant_id = :tenant AND i.collection_id = g.resource_id
        AND i.document_id = r.document_id))
