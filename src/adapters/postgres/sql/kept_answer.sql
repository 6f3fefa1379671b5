-- What an answer says and what it was made from; nothing where it rests on a grant that is no
-- longer open, or on a document that has gone: it may be on its way out. One that was kept after a
-- withdrawal outlives its grants, not its documents.
SELECT m.sealed_content, a.sealed_manifest
FROM runs r
JOIN messages m ON m.tenant_id = r.tenant_id AND m.id = r.answer_id AND m.tombstone IS NULL
LEFT JOIN answer_manifests a ON a.tenant_id = r.tenant_id AND a.run_id = r.id
WHERE r.tenant_id = :tenant AND r.owner_id = :person AND r.id = :run
  AND NOT EXISTS (
      SELECT FROM run_sources s
      LEFT JOIN grants g ON g.tenant_id = s.tenant_id AND g.id = s.grant_id
      LEFT JOIN documents d ON d.tenant_id = s.tenant_id AND d.id = s.document_id
      WHERE s.tenant_id = :tenant AND s.run_id = r.id
        AND (d.id IS NULL
             OR (m.kept_at IS NULL AND s.grant_id IS NOT NULL
                 AND (g.id IS NULL OR g.revoked_at IS NOT NULL
                      OR clock_timestamp() < g.not_before
                      OR clock_timestamp() >= g.expires_at))))
