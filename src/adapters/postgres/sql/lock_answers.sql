-- Hold every run that rests on these grants, or on these documents, against appending.
SELECT r.id FROM runs r
WHERE r.tenant_id = :tenant AND EXISTS (
    SELECT 1 FROM run_sources s
    WHERE s.tenant_id = r.tenant_id AND s.run_id = r.id
      AND ((s.grant_id = ANY(:grants)
            AND (CAST(:only_of AS uuid) IS NULL OR s.document_id = CAST(:only_of AS uuid)))
           OR s.document_id = ANY(:documents)))
ORDER BY r.id
FOR NO KEY UPDATE OF r
