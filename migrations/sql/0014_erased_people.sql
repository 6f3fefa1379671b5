-- People may go, with all that is theirs. What the log and the ledger tell of them stays, of a
-- person without a name.

ALTER TABLE people ADD COLUMN erased_at timestamptz;

-- The last step of an erasure, of the person who is set and of nobody else: every key that was
-- theirs, what opens their entries in the log unless these are about what others own, and their
-- ways in. Without the keys above them, what a backup holds of data keys opens nothing.
CREATE FUNCTION erase_person() RETURNS TABLE (what text, rows bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    person uuid := nullif(current_setting('app.person', true), '')::uuid;
    gone bigint;
BEGIN
    DELETE FROM audit_bodies b USING audit_events e
    WHERE e.tenant_id = tenant AND e.actor_id = person
      AND b.tenant_id = tenant AND b.event_id = e.id
      AND NOT EXISTS (
          SELECT FROM audit_resources r
          JOIN documents d ON d.tenant_id = tenant AND d.id = r.document_id
          WHERE r.tenant_id = tenant AND r.event_id = e.id AND d.owner_id <> person);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'log_bodies', gone;
    DELETE FROM totp t WHERE t.tenant_id = tenant AND t.person_id = person;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'second_factors', gone;
    DELETE FROM data_keys k WHERE k.tenant_id = tenant AND k.owner_id = person;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'keys', gone;
    DELETE FROM wrapping_keys w WHERE w.tenant_id = tenant AND w.subject_id = person;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'subject_keys', gone;
    DELETE FROM refresh_tokens r USING sessions s
    WHERE s.tenant_id = tenant AND s.person_id = person
      AND r.tenant_id = tenant AND r.session_id = s.id;
    DELETE FROM sessions s WHERE s.tenant_id = tenant AND s.person_id = person;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'sessions', gone;
    DELETE FROM grant_tokens g WHERE g.tenant_id = tenant AND g.person_id = person;
    DELETE FROM idempotency_keys i WHERE i.tenant_id = tenant AND i.person_id = person;
    UPDATE people p
    SET email = p.id || '@erased.invalid', display_name = 'Somebody who left', password_hash = '-',
        role = 'member', erased_at = clock_timestamp()
    WHERE p.tenant_id = tenant AND p.id = person;
END
$$;
REVOKE ALL ON FUNCTION erase_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_person TO strongroom_app;

-- A token of theirs is good for some minutes more, but nothing can be made with it.
CREATE FUNCTION refuse_keys_of_the_erased() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.subject_id IS NOT NULL AND EXISTS (
        SELECT FROM people p WHERE p.tenant_id = NEW.tenant_id AND p.id = NEW.subject_id
                               AND p.erased_at IS NOT NULL) THEN
        RAISE EXCEPTION 'this person was erased'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'wrapping_keys_erased_check';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_keys_of_the_erased BEFORE INSERT ON wrapping_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_keys_of_the_erased();
REVOKE ALL ON FUNCTION refuse_keys_of_the_erased FROM PUBLIC;
