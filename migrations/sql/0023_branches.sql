-- Branches of a conversation, and questions that wait for their turn.

-- Messages have been a tree from the beginning, of one branch; so what is there needs no change.
ALTER TABLE conversations ADD COLUMN selected_id uuid;   -- what the next question follows; NULL: the last message
CREATE INDEX messages_parent_idx ON messages (tenant_id, parent_id);

ALTER TABLE runs DROP CONSTRAINT runs_state_check;
ALTER TABLE runs ADD CONSTRAINT runs_state_check
    CHECK (state IN ('queued', 'running', 'completed', 'cancelled', 'failed', 'access_revoked'));
-- What a question was asked with beside its text, under the conversation's key. Of a queued run
-- lease_expires_at says until when it waits.
ALTER TABLE runs ADD COLUMN sealed_terms bytea;
CALL keep_no_samples('runs');
CREATE INDEX runs_queued_idx ON runs (tenant_id, conversation_id, created_at) WHERE state = 'queued';

-- For whoever starts them, across tenants: the first of each conversation in which nothing is being
-- written, and those that need not wait any longer.
CREATE FUNCTION waiting_runs() RETURNS TABLE (
    tenant_id uuid, run_id uuid, owner_id uuid, is_cancelled boolean, is_late boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT q.tenant_id, q.id, q.owner_id,
           q.cancel_requested_at IS NOT NULL, q.lease_expires_at < clock_timestamp()
    FROM runs q
    WHERE q.state = 'queued'
      AND (q.cancel_requested_at IS NOT NULL OR q.lease_expires_at < clock_timestamp()
           OR NOT EXISTS (
               SELECT FROM runs a
               WHERE a.tenant_id = q.tenant_id AND a.conversation_id = q.conversation_id
                 AND a.state = 'running')
           AND NOT EXISTS (
               SELECT FROM runs b
               WHERE b.tenant_id = q.tenant_id AND b.conversation_id = q.conversation_id
                 AND b.state = 'queued' AND (b.created_at, b.id) < (q.created_at, q.id)))
    ORDER BY q.created_at
    LIMIT 100
$$;
REVOKE ALL ON FUNCTION waiting_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION waiting_runs TO strongroom_app;

-- However a run ends, whoever waits behind it is called.
CREATE FUNCTION call_the_next_run() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM runs q
               WHERE q.tenant_id = NEW.tenant_id AND q.conversation_id = NEW.conversation_id
                 AND q.state = 'queued') THEN
        PERFORM pg_notify('strongroom', 'queue');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER call_the_next_run AFTER UPDATE OF state ON runs FOR EACH ROW
    WHEN (OLD.state IN ('queued', 'running') AND NEW.state NOT IN ('queued', 'running'))
    EXECUTE FUNCTION call_the_next_run();
REVOKE ALL ON FUNCTION call_the_next_run FROM PUBLIC;
