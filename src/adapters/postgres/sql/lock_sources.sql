-- Hold what an answer is about to rest on, in the order in which withdrawal and erasure take it:
-- documents, then grants. KEY SHARE gives way to indexing, but not to erasing.
WITH earlier AS MATERIALIZED (
    SELECT s.document_id, s.grant_id
    FROM runs r JOIN run_sources s ON s.tenant_id = r.tenant_id AND s.run_id = r.id
    WHERE r.tenant_id = :tenant AND r.answer_id = ANY(CAST(:earlier_answers AS uuid[]))
), documents_held AS MATERIALIZED (
    SELECT d.id FROM documents d
    WHERE d.tenant_id = :tenant
      AND (d.id = ANY(CAST(:documents AS uuid[])) OR d.id IN (SELECT document_id FROM earlier))
    ORDER BY d.id
    FOR KEY SHARE
), grants_held AS MATERIALIZED (
    SELECT g.id FROM grants g
    WHERE g.tenant_id = :tenant AND (SELECT count(*) FROM documents_held) >= 0
      AND (g.id = ANY(CAST(:grants AS uuid[])) OR g.id IN (SELECT grant_id FROM earlier))
    ORDER BY g.id
    FOR SHARE
)
SELECT count(*) FROM grants_held
