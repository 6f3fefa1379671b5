-- What was asked of one document and refused, and who came in vain with a link to it, or to a
-- collection that holds it. Its events are found by what opens them, which is kept by document. A
-- version that some later transaction added to an event is no part of it.
SELECT e.id, e.type, e.at, e.actor_id, p.display_name, e.action, e.purpose, o.version,
       EXISTS (SELECT FROM audit_leaves l WHERE l.tenant_id = :tenant AND l.event_id = e.id) AS integrated
FROM audit_openings o
JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = o.event_id
     AND r.document_id = o.document_id AND r.version = o.version
JOIN audit_events e ON e.tenant_id = :tenant AND e.id = o.event_id
     AND e.transaction_id = r.transaction_id
JOIN people p ON p.tenant_id = :tenant AND p.id = e.actor_id
WHERE o.tenant_id = :tenant
  AND o.document_id = ANY (ARRAY(
      SELECT CAST(:document AS uuid)
      UNION ALL
      SELECT i.collection_id FROM collection_items i
      WHERE i.tenant_id = :tenant AND i.document_id = :document))
  AND (e.type = ANY (CAST(:link_refusals AS text[]))
       OR (e.type = 'denial' AND o.document_id = :document))
  AND (CAST(:after AS uuid) IS NULL OR o.event_id > :after)
  AND (CAST(:person AS uuid) IS NULL OR e.actor_id = :person)
  AND (CAST(:action AS text) IS NULL OR e.action = :action)
  AND (CAST(:purpose AS text) IS NULL OR e.purpose = :purpose)
  AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR e.at < :until)
  AND (CAST(:grant AS uuid) IS NULL OR r.grant_id = :grant)
ORDER BY o.event_id, o.version
LIMIT :limit
