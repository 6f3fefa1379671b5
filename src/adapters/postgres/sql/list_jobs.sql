-- Jobs of a tenant, the newest first. Of what went wrong last only what our own worker wrote, which is a
-- class and a code: as the reason of another attempt, or as the message of the last one.
SELECT CAST(j.headers ->> 'job_id' AS uuid) AS job_id, j.entrypoint, CAST(j.status AS text) AS status,
       j.attempts, j.created, j.updated, j.execute_after, j.payload,
       greatest(0, CAST(extract(epoch FROM now() - j.created) AS bigint)) AS age_seconds,
       failed.told AS error
FROM pgqueuer j
LEFT JOIN LATERAL (
    SELECT coalesce(l.traceback #>> '{additional_context,reason}',
                    l.traceback ->> 'exception_message') AS told
    FROM pgqueuer_log l
    WHERE l.job_id = j.id AND l.traceback IS NOT NULL
    ORDER BY l.created DESC, l.id DESC
    LIMIT 1
) failed ON true
WHERE CAST(j.headers ->> 'tenant_id' AS uuid) = :tenant
  AND (CAST(:after AS uuid) IS NULL OR CAST(j.headers ->> 'job_id' AS uuid) < :after)
  AND (CAST(:status AS text) IS NULL OR j.status = CAST(:status AS pgqueuer_status))
ORDER BY CAST(j.headers ->> 'job_id' AS uuid) DESC
LIMIT :limit
