EXISTS (SELECT 1 FROM run_sources s
        JOIN grants g ON g.tenant_id = s.tenant_id AND g.id = s.grant_id
        WHERE s.tenant_id = :tenant AND s.run_id = r.id
          AND (g.revoked_at IS NOT NULL OR clock_timestamp() < g.not_before
               OR clock_timestamp() >= g.expires_at
               OR (g.resource_kind = 'collection' AND NOT EXISTS (
                   SELECT 1 FROM collection_items i
                   WHERE i.tenant_id = :tenant AND i.collection_id = g.resource_id
                     AND i.document_id = s.document_id)))) AS closed,
EXISTS (SELECT 1 FROM run_sources s
        LEFT JOIN documents d ON d.tenant_id = s.tenant_id AND d.id = s.document_id
        WHERE s.tenant_id = :tenant AND s.run_id = r.id AND d.id IS NULL) AS erased
