-- How many documents of a tenant are searched by meaning, and how many of them by this model.
SELECT count(*) AS documents,
       count(*) FILTER (WHERE v.embedded_as @> ARRAY[CAST(:model AS text)]) AS embedded
FROM documents d
JOIN versions v ON v.tenant_id = d.tenant_id AND v.document_id = d.id
               AND v.version = d.searchable_version
WHERE d.tenant_id = :tenant AND d.searchable_version IS NOT NULL AND d.index_mode <> 'none'
  AND v.passage_count > 0
