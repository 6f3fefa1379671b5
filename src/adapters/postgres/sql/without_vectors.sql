-- Some passages of a version that have no vector of a model.
SELECT p.id, p.document_id, p.version, p.ordinal, p.start_byte, p.end_byte, p.page, p.field,
       p.sealed_text
FROM passages p
JOIN documents d ON d.tenant_id = p.tenant_id AND d.id = p.document_id
                AND d.searchable_version = p.version
WHERE p.tenant_id = :tenant AND p.document_id = :document AND p.version = :version
  AND d.owner_id = :owner AND d.index_mode = 'clear'
  AND NOT EXISTS (
      SELECT FROM passage_vectors x
      WHERE x.tenant_id = :tenant AND x.owner_id = :owner AND x.document_id = :document
        AND x.passage_id = p.id AND x.model = :model
  )
ORDER BY p.ordinal
LIMIT :passages
