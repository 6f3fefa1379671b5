-- Take back every answer that rests on these grants, or on this document: running ones stop,
-- their text and manifest go, and a tombstone says why. What is hidden already keeps its tombstone.
-- Where there is a basis to keep them on, those that were completed stay and say so; they, too,
-- count no more for how often something was cited. What an earlier withdrawal kept them on is told
-- on. Returns one row for each run.
WITH resting AS MATERIALIZED (
    SELECT DISTINCT r.id, r.answer_id, r.state,
           CAST(:basis AS text) IS NOT NULL AND r.state = 'completed' AS kept
    FROM runs r
    JOIN run_sources s ON s.tenant_id = r.tenant_id AND s.run_id = r.id
    JOIN messages m ON m.tenant_id = r.tenant_id AND m.id = r.answer_id AND m.tombstone IS NULL
    WHERE r.tenant_id = :tenant
      AND ((s.grant_id = ANY(:grants)
            AND (CAST(:only_of AS uuid) IS NULL OR s.document_id = CAST(:only_of AS uuid)))
           OR s.document_id = ANY(:documents))
), taken AS MATERIALIZED (
    SELECT * FROM resting WHERE NOT kept
), stopped AS (
    UPDATE runs r SET state = 'access_revoked', ended_at = coalesce(r.ended_at, clock_timestamp())
    FROM taken WHERE r.tenant_id = :tenant AND r.id = taken.id
), silenced AS (
    DELETE FROM run_events e USING taken WHERE e.tenant_id = :tenant AND e.run_id = taken.id
), unexplained AS (
    DELETE FROM answer_manifests a USING taken WHERE a.tenant_id = :tenant AND a.run_id = taken.id
), uncited AS (
    DELETE FROM citations c USING resting WHERE c.tenant_id = :tenant AND c.run_id = resting.id
), hidden AS (
    UPDATE messages m
    SET sealed_content = NULL, tombstone = :reason,
        kept_at = NULL, kept_basis = NULL, kept_reference = NULL,
        kept_before = NULL
    FROM taken WHERE m.tenant_id = :tenant AND m.id = taken.answer_id
), marked AS (
    UPDATE messages m
    SET kept_at = clock_timestamp(), kept_basis = :basis, kept_reference = :reference,
        kept_before = CASE WHEN m.kept_at IS NOT NULL THEN
            coalesce(m.kept_before, '[]') || jsonb_build_object(
                'since', m.kept_at, 'lawful_basis', m.kept_basis, 'reference', m.kept_reference)
        END
    FROM resting WHERE m.tenant_id = :tenant AND m.id = resting.answer_id AND resting.kept
)
SELECT resting.id AS run_id, resting.state, resting.kept, clock_timestamp() AS ended_at,
       pg_notify('strongroom', 'run:' || resting.id) FROM resting
