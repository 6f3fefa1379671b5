-- The state of a version, and its event with the document's next number. The row lock on the
-- document is what keeps the numbers without gaps. No row comes back if it was erased.
WITH numbered AS (
    UPDATE documents SET event_count = event_count + 1
    WHERE tenant_id = :tenant AND id = :document
    RETURNING event_count
), moved AS (
    UPDATE versions SET state = :state, state_reason = :reason
    FROM numbered
    WHERE versions.tenant_id = :tenant AND versions.document_id = :document
      AND versions.version = :version
), told AS (
    INSERT INTO document_events (tenant_id, document_id, number, version, state, reason, done, total)
    SELECT :tenant, :document, event_count, :version, :state, :reason,
           CAST(:done AS integer), CAST(:total AS integer)
    FROM numbered
)
SELECT event_count, pg_notify('strongroom', 'document:' || CAST(:document AS uuid)) FROM numbered
