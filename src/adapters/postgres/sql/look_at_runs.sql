-- Which of these runs of one tenant may simply go on: nothing of what append_run_events would act on.
--
-- No lock, and nothing is written: thousands of runs that wait for their models are looked at twice
-- a second. What is found holds for a second from when it was asked, and a change that commits
-- meanwhile wakes the run. The others, and those whose lease is half over, are for append_run_events.
SELECT looked.id
FROM (
    SELECT r.id,
/* run_endings */
    FROM runs r
    WHERE r.tenant_id = :tenant AND r.id = ANY(CAST(:runs AS uuid[]))
      AND r.state = 'running' AND r.cancel_requested_at IS NULL
      AND r.lease_expires_at >= clock_timestamp() + make_interval(secs => :lease_seconds / 2)
) AS looked
WHERE NOT looked.closed AND NOT looked.erased
