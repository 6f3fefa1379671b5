-- Endings: what was erased, withdrawn or revoked, and must not come back with a backup. Written by
-- triggers, so that no way of ending something can forget it. A copy is kept outside of the
-- database (the journal of the restore fence); ids alone, of which none tells anything.

CREATE TABLE endings (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text NOT NULL CONSTRAINT endings_kind_check CHECK (kind IN (
        'collection', 'collection_item', 'consent', 'conversation', 'document', 'key_version',
        'link', 'person', 'token')),
    what text NOT NULL,           -- its id; of a token, its hash in hexadecimal
    by_id uuid,                   -- whose it was, or who ended it
    detail text,                  -- the item of a collection, the version of a key
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Ids and times are taken before a commit: only this tells what may not have been seen yet.
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, id)
);
CALL isolate_tenant_table('endings');
CREATE POLICY owner_functions ON endings FOR SELECT TO CURRENT_USER USING (true);
CREATE INDEX endings_transaction_idx ON endings (transaction);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON endings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

CREATE FUNCTION note_ending() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old jsonb := to_jsonb(OLD);
    fresh jsonb := to_jsonb(NEW);
    it jsonb := coalesce(fresh, old);
BEGIN
    INSERT INTO endings (tenant_id, kind, what, by_id, detail)
    SELECT (it ->> 'tenant_id')::uuid, TG_ARGV[0], it ->> TG_ARGV[1], (it ->> TG_ARGV[2])::uuid,
           it ->> TG_ARGV[3];
    RETURN NULL;
END
$$;

CREATE TRIGGER note_ending AFTER INSERT ON consent_events FOR EACH ROW
    WHEN (NEW.event_state IN ('withdrawn', 'revoked'))
    EXECUTE FUNCTION note_ending('consent', 'consent_id', 'entity_id', '');
CREATE TRIGGER note_ending AFTER DELETE ON documents FOR EACH ROW
    EXECUTE FUNCTION note_ending('document', 'id', 'owner_id', '');
CREATE TRIGGER note_ending AFTER DELETE ON conversations FOR EACH ROW
    EXECUTE FUNCTION note_ending('conversation', 'id', 'owner_id', '');
CREATE TRIGGER note_ending AFTER DELETE ON collections FOR EACH ROW
    EXECUTE FUNCTION note_ending('collection', 'id', 'owner_id', '');
CREATE TRIGGER note_ending AFTER DELETE ON collection_items FOR EACH ROW
    EXECUTE FUNCTION note_ending('collection_item', 'collection_id', 'owner_id', 'document_id');
CREATE TRIGGER note_ending AFTER UPDATE OF erased_at ON people FOR EACH ROW
    WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL)
    EXECUTE FUNCTION note_ending('person', 'id', 'id', '');
CREATE TRIGGER note_ending AFTER DELETE ON wrapping_keys FOR EACH ROW
    EXECUTE FUNCTION note_ending('key_version', 'tenant_id', 'subject_id', 'version');
-- What a link gave away by being redeemed is not given away a second time.
CREATE TRIGGER note_ending AFTER UPDATE OF redemptions_left ON share_links FOR EACH ROW
    WHEN (OLD.redemptions_left > 0 AND NEW.redemptions_left = 0)
    EXECUTE FUNCTION note_ending('link', 'id', 'creator_id', '');

-- The hash of a token is no text in a row's JSON that one would want to read back.
CREATE FUNCTION note_token_ending() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO endings (tenant_id, kind, what, by_id)
    VALUES (NEW.tenant_id, 'token', encode(NEW.token_hash, 'hex'), NEW.person_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_ending AFTER UPDATE OF revoked_at ON grant_tokens FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION note_token_ending();

-- For the journal, across tenants: what a transaction ended that is not older than `since`, and the
-- oldest transaction that may still end something.
CREATE FUNCTION endings_since(since text) RETURNS TABLE (
    tenant_id uuid, id uuid, kind text, what text, by_id uuid, detail text, at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.tenant_id, e.id, e.kind, e.what, e.by_id, e.detail, e.at FROM endings e
    WHERE e.transaction >= since::xid8
    ORDER BY e.at, e.id
$$;

-- Replaying, after a restore: sessions and what they had handed out may have been ended since.
CREATE FUNCTION end_every_session() RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM refresh_tokens;
    DELETE FROM sessions;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

REVOKE ALL ON FUNCTION note_ending, note_token_ending, endings_since, end_every_session FROM PUBLIC;
GRANT EXECUTE ON FUNCTION endings_since, end_every_session TO strongroom_keykeeper;
GRANT INSERT ON endings TO strongroom_keykeeper;
