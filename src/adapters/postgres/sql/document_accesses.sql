-- The releases of one document: by number, then those that wait for one. One statement is one
-- view of the database, so what is being integrated meanwhile is in one of the halves, never in
-- none. What failed afterwards is told with its release. The queue is short, and read from its own
-- end: no index of releases by document is needed.
(
    SELECT n.release_seq, e.id, e.at, e.actor_id, p.display_name, e.action, e.purpose,
           r.version, r.grant_id, f.event_id AS failure_id, f.reason, fe.at AS failed_at
    FROM audit_numbers n
    JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = n.event_id
         AND r.document_id = n.document_id AND r.version = n.version
    JOIN audit_events e ON e.tenant_id = :tenant AND e.id = n.event_id
    JOIN people p ON p.tenant_id = :tenant AND p.id = e.actor_id
    LEFT JOIN audit_failures f ON f.tenant_id = :tenant AND f.release_id = e.id
    LEFT JOIN audit_events fe ON fe.tenant_id = :tenant AND fe.id = f.event_id
    WHERE n.tenant_id = :tenant AND n.document_id = :document AND n.release_seq > :after
      AND (CAST(:person AS uuid) IS NULL OR e.actor_id = :person)
      AND (CAST(:action AS text) IS NULL OR e.action = :action)
      AND (CAST(:purpose AS text) IS NULL OR e.purpose = :purpose)
      AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR e.at < :until)
      AND (CAST(:grant AS uuid) IS NULL OR r.grant_id = :grant)
    ORDER BY n.release_seq
    LIMIT :limit
)
UNION ALL
(
    SELECT NULL, e.id, e.at, e.actor_id, p.display_name, e.action, e.purpose, r.version, r.grant_id,
           f.event_id, f.reason, fe.at
    FROM audit_pending q
    JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = q.event_id
    JOIN audit_events e ON e.tenant_id = :tenant AND e.id = q.event_id
         AND e.transaction_id = r.transaction_id
    JOIN people p ON p.tenant_id = :tenant AND p.id = e.actor_id
    LEFT JOIN audit_failures f ON f.tenant_id = :tenant AND f.release_id = e.id
    LEFT JOIN audit_events fe ON fe.tenant_id = :tenant AND fe.id = f.event_id
    WHERE q.tenant_id = :tenant AND r.document_id = :document AND e.type = 'release'
      AND (CAST(:person AS uuid) IS NULL OR e.actor_id = :person)
      AND (CAST(:action AS text) IS NULL OR e.action = :action)
      AND (CAST(:purpose AS text) IS NULL OR e.purpose = :purpose)
      AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR e.at < :until)
      AND (CAST(:grant AS uuid) IS NULL OR r.grant_id = :grant)
    ORDER BY e.at, e.id, r.version
    LIMIT :limit
)
ORDER BY release_seq NULLS LAST, at, id, version
LIMIT :limit
