-- What an answer rests on: the excerpts it was given, and what earlier answers in its prompt
-- rested on. The caller holds the documents and the grants locked, so a withdrawal or an erasure
-- either is over, and the next append finds it, or comes later, and finds these rows.
INSERT INTO run_sources (tenant_id, run_id, document_id, version, release_id, grant_id)
SELECT :tenant, :run, e.document_id, e.version, e.release_id, e.grant_id
FROM unnest(CAST(:documents AS uuid[]), CAST(:versions AS integer[]), CAST(:releases AS uuid[]),
            CAST(:grants AS uuid[])) AS e (document_id, version, release_id, grant_id)
UNION ALL
SELECT * FROM (
    SELECT DISTINCT ON (s.document_id, s.version)
           s.tenant_id, CAST(:run AS uuid), s.document_id, s.version, s.release_id, s.grant_id
    FROM runs r JOIN run_sources s ON s.tenant_id = r.tenant_id AND s.run_id = r.id
    WHERE r.tenant_id = :tenant AND r.answer_id = ANY(CAST(:earlier_answers AS uuid[]))
    ORDER BY s.document_id, s.version, s.release_id
) AS earlier
ON CONFLICT DO NOTHING
