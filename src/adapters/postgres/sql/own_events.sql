-- One page of what a person did, a row for each version that an event is about.
WITH page AS MATERIALIZED (
    SELECT e.* FROM audit_events e
    WHERE e.tenant_id = :tenant AND e.actor_id = :person
      AND (CAST(:after AS uuid) IS NULL OR e.id > :after)
    ORDER BY e.id
    LIMIT :limit
)
SELECT e.id, e.type, e.at, e.actor_id, e.action, e.purpose, e.policy_version,
       e.actor_commitment, e.body_commitment, NULL AS salt, NULL AS body, l.leaf_index, NULL AS leaf,
       r.document_id, r.version, r.grant_id, r.grant_epoch, r.consent_id,
       r.commitment, r.evidence_commitment, NULL AS resource_salt, n.release_seq,
       false AS is_own
FROM page e
LEFT JOIN audit_leaves l ON l.tenant_id = :tenant AND l.event_id = e.id
LEFT JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = e.id
     AND r.transaction_id = e.transaction_id
LEFT JOIN audit_numbers n ON n.tenant_id = :tenant AND n.event_id = r.event_id
     AND n.document_id = r.document_id AND n.version = r.version
ORDER BY e.id, r.document_id, r.version
