-- The index mode `sealed`: what a document is found by is encrypted like the document, and opened in
-- memory, against a release, for each search. Its passages lie in `passages` as those of others do,
-- without page, field and number of words; postings and vectors it has none.

-- For about a hundred passages that follow on one another: their words, vectors, fields and language
-- as one value, under the version's key. `passages` are their numbers in the table of that name.
CREATE TABLE sealed_index (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    first_ordinal integer NOT NULL,
    passages bigint[] NOT NULL,
    models text[] NOT NULL,      -- those whose vectors are in it
    sealed_entries bytea NOT NULL,
    PRIMARY KEY (tenant_id, document_id, version, first_ordinal),
    FOREIGN KEY (tenant_id, document_id, version) REFERENCES versions ON DELETE CASCADE
);
-- What is encrypted cannot be compressed, and need not be tried.
ALTER TABLE sealed_index ALTER COLUMN sealed_entries SET STORAGE EXTERNAL;
CALL isolate_tenant_table('sealed_index');
GRANT SELECT, INSERT, DELETE, UPDATE (models, sealed_entries) ON sealed_index TO strongroom_app;

-- Of sealed documents alone, like its twin of the open index: see visible.sql.
CREATE INDEX documents_sealed_idx ON documents (tenant_id, owner_id)
    INCLUDE (id, searchable_version, passage_count)
    WHERE searchable_version IS NOT NULL AND index_mode = 'sealed';
