-- Some rows of the sealed index of these versions, after the last one that was read. The versions
-- were released before.
SELECT s.document_id, s.version, s.first_ordinal, s.passages, s.sealed_entries
FROM unnest(CAST(:documents AS uuid[]), CAST(:versions AS integer[])) AS wanted (document_id, version)
CROSS JOIN LATERAL (
    SELECT s.* FROM sealed_index s
    WHERE s.tenant_id = :tenant AND s.document_id = wanted.document_id AND s.version = wanted.version
    OFFSET 0
) s
WHERE (s.document_id, s.version, s.first_ordinal)
      > (CAST(:after_document AS uuid), CAST(:after_version AS integer), CAST(:after_ordinal AS integer))
ORDER BY s.document_id, s.version, s.first_ordinal
LIMIT :rows_max
