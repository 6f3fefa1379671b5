-- Have a run that waits be running. The caller holds its conversation locked, as whoever asks does,
-- so that none is begun beside another, and none out of turn.
UPDATE runs q
SET state = 'running', lease_expires_at = clock_timestamp() + make_interval(secs => :lease_seconds)
WHERE q.tenant_id = :tenant AND q.owner_id = :person AND q.id = :run
  AND q.state = 'queued' AND q.cancel_requested_at IS NULL
  AND q.lease_expires_at >= clock_timestamp()
  AND NOT EXISTS (
      SELECT FROM runs a
      WHERE a.tenant_id = :tenant AND a.conversation_id = q.conversation_id
        AND (a.state = 'running'
             OR a.state = 'queued' AND (a.created_at, a.id) < (q.created_at, q.id)))
