-- Append the waiting events of many runs of one tenant, each only if its run may go on.
--
-- The run's row is locked first, so that cancelling, withdrawal and erasure, which change it, are
-- either seen here or wait for this commit. A row that somebody else holds right now is skipped,
-- and its events come again with the next commit: no run waits for another. A run that rests on
-- a grant which is no longer open, on a document which was taken out of the collection that was
-- granted, or on one which has gone, is ended here and emptied.
-- Numbers are given by the one process that owns the run; where a commit is repeated because its
-- outcome was lost, what is stored already stays. The lease moves only when half of it is over,
-- because that is the one update which touches an index.
--
-- Returns a row for each wanted run: `known` whether it exists, `looked` whether it was free.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:runs AS uuid[]), CAST(:end_states AS text[]),
                         CAST(:answers AS bytea[]), CAST(:manifests AS bytea[]),
                         CAST(:counts AS integer[]))
        AS w (run_id, end_state, sealed_answer, sealed_manifest, event_count)
), judged AS MATERIALIZED (
    SELECT r.id, r.answer_id, r.state, r.cancel_requested_at IS NOT NULL AS cancelled,
           w.end_state, w.sealed_answer, w.sealed_manifest, w.event_count,
/* run_endings */
    FROM wanted w JOIN runs r ON r.tenant_id = :tenant AND r.id = w.run_id
    FOR NO KEY UPDATE OF r SKIP LOCKED
), permitted AS MATERIALIZED (
    SELECT j.* FROM judged j
    WHERE j.state = 'running' AND NOT j.closed AND NOT j.erased
      AND (NOT j.cancelled OR j.end_state IS NOT NULL)
), withdrawn AS MATERIALIZED (
    SELECT j.* FROM judged j WHERE j.state = 'running' AND (j.closed OR j.erased)
), added AS (
    INSERT INTO run_events (tenant_id, run_id, number, type, sealed_data)
    SELECT :tenant, e.run_id, e.number, e.type, e.sealed
    FROM unnest(CAST(:event_runs AS uuid[]), CAST(:numbers AS integer[]), CAST(:types AS text[]),
                CAST(:sealed AS bytea[])) AS e (run_id, number, type, sealed)
    JOIN permitted p ON p.id = e.run_id
    ON CONFLICT DO NOTHING
    RETURNING run_id
), moved AS (
    UPDATE runs r
    SET state = coalesce(p.end_state, r.state),
        ended_at = CASE WHEN p.end_state IS NULL THEN r.ended_at ELSE clock_timestamp() END,
        event_count = p.event_count,
        lease_expires_at = clock_timestamp() + make_interval(secs => :lease_seconds)
    FROM permitted p
    WHERE r.tenant_id = :tenant AND r.id = p.id
      AND (p.end_state IS NOT NULL
           OR r.lease_expires_at < clock_timestamp() + make_interval(secs => :lease_seconds / 2))
), answered AS (
    UPDATE messages m SET sealed_content = p.sealed_answer FROM permitted p
    WHERE m.tenant_id = :tenant AND m.id = p.answer_id AND p.end_state IS NOT NULL
), explained AS (
    INSERT INTO answer_manifests (tenant_id, run_id, sealed_manifest)
    SELECT :tenant, p.id, p.sealed_manifest FROM permitted p
    WHERE p.end_state IS NOT NULL AND p.sealed_manifest IS NOT NULL
    ON CONFLICT DO NOTHING
), cited AS (
    INSERT INTO citations (tenant_id, person_id, document_id, run_id)
    SELECT :tenant, c.person_id, c.document_id, c.run_id
    FROM unnest(CAST(:cited_runs AS uuid[]), CAST(:cited_by AS uuid[]),
                CAST(:cited_documents AS uuid[])) AS c (run_id, person_id, document_id)
    JOIN permitted p ON p.id = c.run_id
    -- It rests on the document, so the erasure of that waits for this run, and deletes the row.
    JOIN run_sources s ON s.tenant_id = :tenant AND s.run_id = c.run_id
         AND s.document_id = c.document_id
    WHERE p.end_state = 'completed'
    GROUP BY c.person_id, c.document_id, c.run_id
    ON CONFLICT DO NOTHING
), stopped AS (
    UPDATE runs r SET state = 'access_revoked', ended_at = clock_timestamp() FROM withdrawn w
    WHERE r.tenant_id = :tenant AND r.id = w.id
), silenced AS (
    DELETE FROM run_events e USING withdrawn w WHERE e.tenant_id = :tenant AND e.run_id = w.id
), hidden AS (
    UPDATE messages m
    SET sealed_content = NULL,
        tombstone = CASE WHEN w.erased THEN 'document_erased' ELSE 'access_revoked' END
    FROM withdrawn w WHERE m.tenant_id = :tenant AND m.id = w.answer_id
), told AS MATERIALIZED (
    SELECT pg_notify('strongroom', 'events:' || news.run_id)
    FROM (SELECT run_id FROM added UNION SELECT id FROM withdrawn
          UNION SELECT id FROM judged WHERE state <> 'running') AS news
)
SELECT w.run_id, j.id IS NOT NULL AS looked, p.id IS NOT NULL AS written, j.cancelled,
       CASE WHEN x.id IS NOT NULL THEN 'access_revoked' ELSE j.state END AS state,
       j.id IS NOT NULL OR EXISTS (SELECT 1 FROM runs r
                                   WHERE r.tenant_id = :tenant AND r.id = w.run_id) AS known,
       CASE WHEN j.cancelled AND p.id IS NULL
            THEN (SELECT coalesce(max(e.number), 0) FROM run_events e
                  WHERE e.tenant_id = :tenant AND e.run_id = w.run_id)
            ELSE 0 END AS stored_number,
       (SELECT count(*) FROM told) AS woken
FROM wanted w
LEFT JOIN judged j ON j.id = w.run_id
LEFT JOIN permitted p ON p.id = w.run_id
LEFT JOIN withdrawn x ON x.id = w.run_id
