-- The vectors of candidates of a search: a part of other statements, which say /* candidate_vectors */
-- in their WITH. The candidates were visible when they were found, a moment ago; whether they may be
-- shown is decided by the gate. Reached by keys alone, as in search.sql.
near AS MATERIALIZED (
    SELECT c.id, x.embedding
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
