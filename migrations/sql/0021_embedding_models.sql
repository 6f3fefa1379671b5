-- Two embedding models side by side. Vectors of a model that arrives are written beside those of the
-- one that serves; when none is missing they change places, and the old ones are deleted.

-- Vectors of any length: what they may be compared with is said by their model. (Nothing is written
-- anew; the storage is chosen again because a change of type forgets it. See 0001.)
ALTER TABLE passage_vectors ALTER COLUMN embedding TYPE halfvec;
ALTER TABLE passage_vectors ALTER COLUMN embedding SET STORAGE PLAIN;
CALL keep_no_samples('passage_vectors');

CREATE TABLE embedding_models (
    tenant_id uuid NOT NULL REFERENCES tenants,
    model text NOT NULL,
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 2 AND 3584),
    state text NOT NULL CHECK (state IN ('arriving', 'serving', 'leaving', 'left')),
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    served boolean NOT NULL,      -- at any time: one that never did leaves no trace
    PRIMARY KEY (tenant_id, model)
);
CREATE UNIQUE INDEX embedding_models_serving_idx ON embedding_models (tenant_id)
    WHERE state = 'serving';
CREATE UNIQUE INDEX embedding_models_arriving_idx ON embedding_models (tenant_id)
    WHERE state = 'arriving';

-- The models of which a version has the vectors of all its passages. So far there was one.
ALTER TABLE versions
    ADD COLUMN embedded_as text[] NOT NULL DEFAULT '{all-MiniLM-L6-v2-int8-1}';
ALTER TABLE versions ALTER COLUMN embedded_as SET DEFAULT '{}';
-- Those with no vectors at all: written by a process that did not know the model that serves.
CREATE INDEX versions_unembedded_idx ON versions (tenant_id, document_id)
    WHERE embedded_as = '{}' AND passage_count > 0;
INSERT INTO embedding_models (tenant_id, model, dimensions, state, served)
SELECT tenant_id, 'all-MiniLM-L6-v2-int8-1', 384, 'serving', true FROM tenants;

CALL isolate_tenant_table('embedding_models');
GRANT SELECT, INSERT, DELETE, UPDATE (state, since, served) ON embedding_models TO strongroom_app;

-- The processes that embed, of all tenants: the model that each wants, and those that it knows.
CREATE TABLE embedding_readers (
    id uuid PRIMARY KEY,
    wanted text NOT NULL,
    known text[] NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, DELETE, UPDATE (wanted, known, seen_at) ON embedding_readers
    TO strongroom_app;

-- Across tenants, ids and names of models alone: where there is something to embed or to delete, for
-- whoever wants this model. In any order, so that one that cannot be done does not keep back others.
CREATE FUNCTION tenants_to_embed(wanted text) RETURNS TABLE (tenant_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.tenant_id FROM (
        SELECT m.tenant_id FROM embedding_models m
        WHERE m.state IN ('arriving', 'leaving') OR (m.state = 'serving' AND m.model <> wanted)
        UNION
        SELECT v.tenant_id FROM versions v
        JOIN documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
                        AND d.searchable_version = v.version AND d.index_mode <> 'none'
        WHERE v.embedded_as = '{}' AND v.passage_count > 0
    ) t
    ORDER BY random() LIMIT 100
$$;
CREATE FUNCTION embedding_models_in_use() RETURNS TABLE (model text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT m.model FROM embedding_models m WHERE m.state IN ('arriving', 'serving')
$$;
CREATE POLICY owner_functions ON embedding_models FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON versions FOR SELECT TO CURRENT_USER USING (true);
REVOKE ALL ON FUNCTION tenants_to_embed, embedding_models_in_use FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_to_embed, embedding_models_in_use TO strongroom_app;
