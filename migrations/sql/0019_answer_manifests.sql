-- What an answer was made from, beside the answer, and gone with it.

CREATE TABLE answer_manifests (
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,
    sealed_manifest bytea NOT NULL,   -- under the conversation's key, with the passages it cites
    PRIMARY KEY (tenant_id, run_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs ON DELETE CASCADE
);
CALL isolate_tenant_table('answer_manifests');
GRANT SELECT, INSERT, DELETE ON answer_manifests TO strongroom_app;

-- Whoever hides an answer and forgets what it was made from is stopped here, at the commit.
CREATE FUNCTION refuse_half_a_tombstone() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM messages m
        JOIN runs r ON r.tenant_id = m.tenant_id AND r.answer_id = m.id
        WHERE m.tenant_id = NEW.tenant_id AND m.id = NEW.id AND m.tombstone IS NOT NULL
          AND (m.sealed_content IS NOT NULL
               OR EXISTS (SELECT FROM answer_manifests a
                          WHERE a.tenant_id = r.tenant_id AND a.run_id = r.id)
               OR EXISTS (SELECT FROM run_events e
                          WHERE e.tenant_id = r.tenant_id AND e.run_id = r.id))) THEN
        RAISE EXCEPTION 'an answer that was taken back leaves nothing behind'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'messages_tombstone_check';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER refuse_half_a_tombstone AFTER UPDATE OF tombstone ON messages
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.tombstone IS NOT NULL)
    EXECUTE FUNCTION refuse_half_a_tombstone();
REVOKE ALL ON FUNCTION refuse_half_a_tombstone FROM PUBLIC;
