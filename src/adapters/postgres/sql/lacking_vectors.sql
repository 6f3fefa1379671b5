-- Searchable versions without all vectors of a model, in an order that each process has for itself
-- (`salt`), so that several do not embed the same ones. It reads the tenant's documents, which is
-- little beside what embedding some of them takes.
SELECT d.owner_id, d.id AS document_id, v.version
FROM documents d
JOIN versions v ON v.tenant_id = d.tenant_id AND v.document_id = d.id
               AND v.version = d.searchable_version
WHERE d.tenant_id = :tenant AND d.searchable_version IS NOT NULL AND d.index_mode <> 'none'
  AND v.passage_count > 0 AND NOT v.embedded_as @> ARRAY[CAST(:model AS text)]
ORDER BY hashtextextended(d.id::text, :salt)
LIMIT :documents
