-- Of a sealed version that is searched, the first entries without the vectors of a model.
SELECT s.document_id, s.version, s.first_ordinal, s.passages, s.sealed_entries
FROM sealed_index s
JOIN documents d ON d.tenant_id = s.tenant_id AND d.id = s.document_id
                AND d.searchable_version = s.version
WHERE s.tenant_id = :tenant AND s.document_id = :document AND s.version = :version
  AND d.owner_id = :owner AND d.index_mode = 'sealed'
  AND NOT s.models @> ARRAY[CAST(:model AS text)]
ORDER BY s.first_ordinal
LIMIT 1
