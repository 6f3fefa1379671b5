-- The vectors of candidates from the open index, in the form that pgvector writes. Reached by keys
-- alone, as in search.sql.
SELECT c.id, x.embedding::text AS vector
FROM unnest(CAST(:passages AS bigint[])) AS c (id)
CROSS JOIN LATERAL (
    SELECT p.document_id FROM passages p WHERE p.tenant_id = :tenant AND p.id = c.id OFFSET 0
) p
CROSS JOIN LATERAL (
    SELECT d.owner_id FROM documents d WHERE d.tenant_id = :tenant AND d.id = p.document_id
    OFFSET 0
) d
CROSS JOIN LATERAL (
    SELECT x.embedding FROM passage_vectors x
    WHERE x.tenant_id = :tenant AND x.owner_id = d.owner_id AND x.document_id = p.document_id
      AND x.passage_id = c.id AND x.model = :model
    OFFSET 0
) x
