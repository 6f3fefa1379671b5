-- What an answer rests on: the excerpts it was given, and what earlier answers in its prompt
-- rested on; each version once for every grant, for any of them may be withdrawn. The caller holds
-- the documents and the grants locked, so a withdrawal or an erasure either is over, and the next
-- append finds it, or comes later, and finds these rows.
INSERT INTO run_sources (tenant_id, run_id, document_id, version, release_id, grant_id)
SELECT DISTINCT ON (document_id, version, grant_id)
       CAST(:tenant AS uuid), CAST(:run AS uuid), document_id, version, release_id, grant_id
FROM (
    SELECT e.document_id, e.version, e.release_id, e.grant_id, false AS is_earlier
    FROM unnest(CAST(:documents AS uuid[]), CAST(:versions AS integer[]),
                CAST(:releases AS uuid[]), CAST(:grants AS uuid[]))
         AS e (document_id, version, release_id, grant_id)
    UNION ALL
    SELECT s.document_id, s.version, s.release_id, s.grant_id, true
    FROM runs r JOIN run_sources s ON s.tenant_id = r.tenant_id AND s.run_id = r.id
    WHERE r.tenant_id = :tenant AND r.answer_id = ANY(CAST(:earlier_answers AS uuid[]))
) AS source
ORDER BY document_id, version, grant_id, is_earlier, release_id
ON CONFLICT DO NOTHING
