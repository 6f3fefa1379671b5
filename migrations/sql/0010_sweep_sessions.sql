-- What nobody can use any more goes: refresh tokens that ran out, sessions that are over.

CREATE INDEX refresh_tokens_expiry_idx ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_session_idx ON refresh_tokens (tenant_id, session_id);
CREATE INDEX sessions_ended_idx ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- Looks across tenants, and deletes what the application itself may not; says how many rows. A
-- session that ended stays for a day, for whoever wants to know why, and goes with its last token,
-- as does one that was just left. A token that somebody presents now waits for the next time.
CREATE FUNCTION sweep_sessions() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH expired AS (
        SELECT r.tenant_id, r.token_hash FROM refresh_tokens r
        WHERE r.expires_at < clock_timestamp()
        LIMIT 5000 FOR UPDATE SKIP LOCKED
    ), ended AS (
        SELECT r.tenant_id, r.token_hash
        FROM sessions s
        JOIN refresh_tokens r ON r.tenant_id = s.tenant_id AND r.session_id = s.id
        WHERE s.ended_at < clock_timestamp() - interval '1 day'
        LIMIT 5000 FOR UPDATE OF r SKIP LOCKED
    ), useless AS (
        SELECT * FROM expired UNION SELECT * FROM ended
    ), tokens AS (
        DELETE FROM refresh_tokens r USING useless u
        WHERE r.tenant_id = u.tenant_id AND r.token_hash = u.token_hash
        RETURNING r.tenant_id, r.session_id
    ), left_over AS (
        DELETE FROM sessions s USING (SELECT DISTINCT tenant_id, session_id FROM tokens) t
        WHERE s.tenant_id = t.tenant_id AND s.id = t.session_id
          AND NOT EXISTS (
              SELECT 1 FROM refresh_tokens r
              WHERE r.tenant_id = s.tenant_id AND r.session_id = s.id
                AND NOT EXISTS (SELECT 1 FROM useless u WHERE u.tenant_id = r.tenant_id
                                                          AND u.token_hash = r.token_hash))
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM tokens) + (SELECT count(*) FROM left_over)
$$;
CREATE POLICY owner_functions ON sessions TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON refresh_tokens TO CURRENT_USER USING (true);
REVOKE ALL ON FUNCTION sweep_sessions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_sessions TO strongroom_app;
