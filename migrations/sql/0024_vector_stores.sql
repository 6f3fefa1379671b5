-- Vectors beside the database: which documents' have changed and are to be brought to the store. What
-- is noted is that a document changed, in the transaction that changes it and whoever does it, down
-- to a cascade; so nothing that was erased can be forgotten there. `change` tells one from the next.
CREATE TABLE vector_changes (
    tenant_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    document_id uuid NOT NULL,        -- without a foreign key: most of all it tells of what is gone
    change uuid NOT NULL DEFAULT gen_random_uuid(),
    PRIMARY KEY (tenant_id, document_id)
);
CALL isolate_tenant_table('vector_changes');
CREATE POLICY owner_functions ON vector_changes TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON passage_vectors FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON vector_changes TO strongroom_app;

CREATE FUNCTION note_vector_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vector_changes (tenant_id, owner_id, document_id)
    SELECT DISTINCT c.tenant_id, c.owner_id, c.document_id FROM changed c ORDER BY 1, 2, 3
    ON CONFLICT (tenant_id, document_id) DO UPDATE SET change = gen_random_uuid();
    RETURN NULL;
END
$$;
CREATE TRIGGER note_added_vectors AFTER INSERT ON passage_vectors
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_vector_changes();
CREATE TRIGGER note_deleted_vectors AFTER DELETE ON passage_vectors
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_vector_changes();
-- By default there is no store, and nothing is noted.
ALTER TABLE passage_vectors DISABLE TRIGGER note_added_vectors;
ALTER TABLE passage_vectors DISABLE TRIGGER note_deleted_vectors;

CREATE FUNCTION vectors_are_mirrored() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT tgenabled <> 'D' FROM pg_trigger
    WHERE tgrelid = 'passage_vectors'::regclass AND tgname = 'note_deleted_vectors'
$$;

-- Begin to note changes, or cease. With `anew` every document that there is counts as changed.
CREATE FUNCTION mirror_vectors(wanted boolean, anew boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF wanted <> vectors_are_mirrored() THEN
        EXECUTE format('ALTER TABLE passage_vectors %1$s TRIGGER note_added_vectors',
                       CASE WHEN wanted THEN 'ENABLE' ELSE 'DISABLE' END);
        EXECUTE format('ALTER TABLE passage_vectors %1$s TRIGGER note_deleted_vectors',
                       CASE WHEN wanted THEN 'ENABLE' ELSE 'DISABLE' END);
    END IF;
    IF NOT wanted THEN
        DELETE FROM vector_changes;
    ELSIF anew THEN
        INSERT INTO vector_changes (tenant_id, owner_id, document_id)
        SELECT DISTINCT v.tenant_id, v.owner_id, v.document_id FROM passage_vectors v
        ON CONFLICT (tenant_id, document_id) DO UPDATE SET change = gen_random_uuid();
    END IF;
END
$$;

-- Across tenants, ids alone.
CREATE FUNCTION vector_changes_waiting()
RETURNS TABLE (tenant_id uuid, owner_id uuid, document_id uuid, change uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.tenant_id, c.owner_id, c.document_id, c.change FROM vector_changes c LIMIT 100
$$;
REVOKE ALL ON FUNCTION vectors_are_mirrored, mirror_vectors, vector_changes_waiting FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vectors_are_mirrored, mirror_vectors, vector_changes_waiting
    TO strongroom_app;
