-- Take back every answer that rests on these grants, or on this document: running ones stop,
-- their text and manifest go, and a tombstone says why. What is hidden already keeps its tombstone. Returns
-- one row for each run.
WITH resting AS MATERIALIZED (
    SELECT DISTINCT r.id, r.answer_id, r.state FROM runs r
    JOIN run_sources s ON s.tenant_id = r.tenant_id AND s.run_id = r.id
    JOIN messages m ON m.tenant_id = r.tenant_id AND m.id = r.answer_id AND m.tombstone IS NULL
    WHERE r.tenant_id = :tenant
      AND ((s.grant_id = ANY(:grants)
            AND (CAST(:only_of AS uuid) IS NULL OR s.document_id = CAST(:only_of AS uuid)))
           OR s.document_id = ANY(:documents))
), stopped AS (
    UPDATE runs r SET state = 'access_revoked', ended_at = coalesce(r.ended_at, clock_timestamp())
    FROM resting WHERE r.tenant_id = :tenant AND r.id = resting.id
), silenced AS (
    DELETE FROM run_events e USING resting WHERE e.tenant_id = :tenant AND e.run_id = resting.id
), unexplained AS (
    DELETE FROM answer_manifests a USING resting WHERE a.tenant_id = :tenant AND a.run_id = resting.id
), uncited AS (
    DELETE FROM citations c USING resting WHERE c.tenant_id = :tenant AND c.run_id = resting.id
), hidden AS (
    UPDATE messages m SET sealed_content = NULL, tombstone = :reason
    FROM resting WHERE m.tenant_id = :tenant AND m.id = resting.answer_id
)
SELECT resting.id AS run_id, resting.state, clock_timestamp() AS ended_at,
       pg_notify('strongroom', 'run:' || resting.id) FROM resting
