-- Events with their leaves, bodies and evidence, a row for each version that one is about, and
-- whether the asker owns that document.
SELECT e.id, e.type, e.at, e.actor_id, e.action, e.purpose, e.policy_version,
       e.actor_commitment, e.body_commitment, b.salt, b.body, b.key_id AS body_key_id, b.sealed_body,
       l.leaf_index, l.leaf,
       r.document_id, r.version, r.grant_id, r.grant_epoch, r.consent_id,
       r.commitment, r.evidence_commitment, o.salt AS resource_salt, o.key_id, o.sealed_evidence,
       n.release_seq,
       d.id IS NOT NULL AS is_own
FROM audit_events e
LEFT JOIN audit_bodies b ON b.tenant_id = :tenant AND b.event_id = e.id
LEFT JOIN audit_leaves l ON l.tenant_id = :tenant AND l.event_id = e.id
LEFT JOIN audit_resources r ON r.tenant_id = :tenant AND r.event_id = e.id
     AND r.transaction_id = e.transaction_id
LEFT JOIN audit_openings o ON o.tenant_id = :tenant AND o.document_id = r.document_id
     AND o.event_id = e.id AND o.version = r.version
LEFT JOIN audit_numbers n ON n.tenant_id = :tenant AND n.event_id = r.event_id
     AND n.document_id = r.document_id AND n.version = r.version
LEFT JOIN documents d ON d.tenant_id = :tenant AND d.id = r.document_id AND d.owner_id = :person
WHERE e.tenant_id = :tenant AND e.id = ANY (CAST(:events AS uuid[]))
ORDER BY e.id, r.document_id, r.version
