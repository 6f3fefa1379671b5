-- Features: numbers about passages and documents that ranking can weigh, and their history. No text,
-- no title, no heading; of a document that is erased nothing stays.

-- Of a passage. It outlives the passage, which goes when a newer version is searched: what was so at
-- a time is asked later. `features` numbers the rules by which they were computed.
CREATE TABLE passage_features (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    ordinal integer NOT NULL,
    length integer NOT NULL,          -- in bytes of its text
    heading_depth smallint,           -- how many headings it stands under; NULL: not counted then
    features smallint NOT NULL,
    PRIMARY KEY (tenant_id, document_id, version, ordinal),
    FOREIGN KEY (tenant_id, document_id, version) REFERENCES versions ON DELETE CASCADE
);

-- Which version is searched since when, and as what. Only grows, while there is the document.
CREATE TABLE version_features (
    tenant_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    document_id uuid NOT NULL,
    number integer NOT NULL,          -- from 1, of the document
    version integer NOT NULL,
    source text NOT NULL,             -- the media type
    language text,
    passage_count integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, owner_id, document_id, number),
    FOREIGN KEY (tenant_id, owner_id, document_id)
        REFERENCES documents (tenant_id, owner_id, id) ON DELETE CASCADE
);

-- What the owner said that a document is worth. The newest is in the document, too.
ALTER TABLE documents
    ADD COLUMN weight double precision NOT NULL DEFAULT 1
    CONSTRAINT documents_weight_check CHECK (weight BETWEEN 0.25 AND 4);
CREATE TABLE document_weights (
    tenant_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    document_id uuid NOT NULL,
    number integer NOT NULL,          -- from 1, of the document
    weight double precision NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, owner_id, document_id, number),
    FOREIGN KEY (tenant_id, owner_id, document_id)
        REFERENCES documents (tenant_id, owner_id, id) ON DELETE CASCADE
);

-- Whose answer cited which document. The key begins with the person: nobody's search may depend on
-- what somebody else asked, in its order or in its time. Goes with the answer's run. It does not
-- refer to documents: who appends to a run holds the run, and must not wait for a document, whose
-- erasure waits for runs. The erasure deletes it.
CREATE TABLE citations (
    tenant_id uuid NOT NULL,
    person_id uuid NOT NULL,
    document_id uuid NOT NULL,
    run_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, person_id, document_id, run_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs ON DELETE CASCADE
);
CREATE INDEX citations_document_idx ON citations (tenant_id, document_id);
CREATE INDEX citations_run_idx ON citations (tenant_id, run_id);

CALL isolate_tenant_table('passage_features');
CALL isolate_tenant_table('version_features');
CALL isolate_tenant_table('document_weights');
CALL isolate_tenant_table('citations');
GRANT SELECT, INSERT, DELETE ON passage_features, citations TO strongroom_app;
GRANT SELECT, INSERT ON version_features, document_weights TO strongroom_app;
GRANT DELETE ON version_features TO strongroom_app;  -- of what is sealed from now on

-- What was indexed before: how deep it stood under headings is sealed, and was not counted.
INSERT INTO passage_features (tenant_id, document_id, version, ordinal, length, features)
SELECT tenant_id, document_id, version, ordinal, end_byte - start_byte, 0 FROM passages;
INSERT INTO version_features
    (tenant_id, owner_id, document_id, number, version, source, language, passage_count)
SELECT d.tenant_id, d.owner_id, d.id, 1, v.version, v.media_type, v.language, v.passage_count
FROM documents d
JOIN versions v ON v.tenant_id = d.tenant_id AND v.document_id = d.id
     AND v.version = d.searchable_version
WHERE d.index_mode = 'clear';
