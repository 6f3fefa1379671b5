-- The foundation: people, keys, documents, consent, the release log, the index, chats.
-- Every key begins with tenant_id: a global key would tell one tenant what another holds,
-- and foreign keys look past row-level security.

CREATE TABLE tenants (
    tenant_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    sign_up_open boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE purposes (
    tenant_id uuid NOT NULL REFERENCES tenants,
    code text NOT NULL,
    title text NOT NULL,
    dpv_term text NOT NULL,
    PRIMARY KEY (tenant_id, code)
);

-- People and their sessions ----------------------------------------------------------------

CREATE TABLE people (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    email text NOT NULL,
    display_name text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('member', 'auditor', 'admin')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT people_email_key UNIQUE (tenant_id, email)
);

CREATE TABLE sessions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    end_reason text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES people
);

CREATE TABLE refresh_tokens (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions
);

-- Keys: root (in the keyring) -> tenant -> subject -> data key -----------------------------

CREATE TABLE wrapping_keys (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    subject_id uuid,              -- NULL: the tenant's own key, which wraps its subjects' keys
    version integer NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT wrapping_keys_version_key UNIQUE NULLS NOT DISTINCT (tenant_id, subject_id, version)
);

CREATE TABLE data_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('content', 'metadata', 'conversation')),
    owner_id uuid NOT NULL,
    resource_id uuid NOT NULL,    -- the document or the conversation
    version integer NOT NULL DEFAULT 0,
    wrapping_key_id uuid NOT NULL,
    wrapped bytea NOT NULL,       -- the application role cannot read this column
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT data_keys_resource_key UNIQUE (tenant_id, resource_id, kind, version),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES people,
    FOREIGN KEY (tenant_id, wrapping_key_id) REFERENCES wrapping_keys
);

-- The vault --------------------------------------------------------------------------------

CREATE TABLE blobs (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    length bigint,                -- bytes of ciphertext; NULL while it is being written
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE blob_parts (
    tenant_id uuid NOT NULL,
    blob_id uuid NOT NULL,
    start bigint NOT NULL,        -- offset of the first byte of this part in the ciphertext
    bytes bytea NOT NULL,
    PRIMARY KEY (tenant_id, blob_id, start),
    FOREIGN KEY (tenant_id, blob_id) REFERENCES blobs ON DELETE CASCADE
);
ALTER TABLE blob_parts ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE documents (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    current_version integer NOT NULL,
    searchable_version integer,
    passage_count integer NOT NULL DEFAULT 0,   -- of the searchable version, with
    lexeme_count bigint NOT NULL DEFAULT 0,     -- the lexemes in all of them
    index_mode text NOT NULL CHECK (index_mode IN ('clear', 'sealed', 'none')),
    audit_mode text NOT NULL CHECK (audit_mode IN ('committed', 'integrated')),
    sealed_metadata bytea NOT NULL,
    event_count integer NOT NULL DEFAULT 0,
    index_attempt integer NOT NULL DEFAULT 0,   -- fences ingestion: the latest attempt alone writes
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT documents_owner_key UNIQUE (tenant_id, owner_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES people
);
-- All that a search needs to know about the documents of one owner, without their rows.
CREATE INDEX documents_searchable_idx ON documents (tenant_id, owner_id)
    INCLUDE (id, searchable_version, passage_count, lexeme_count)
    WHERE searchable_version IS NOT NULL AND index_mode = 'clear';

CREATE TABLE versions (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    media_type text NOT NULL,
    content_length bigint NOT NULL,
    content_blob_id uuid NOT NULL,
    text_blob_id uuid,
    state text NOT NULL CHECK (state IN
        ('received', 'extracting', 'chunking', 'embedding', 'indexing', 'ready', 'rejected', 'failed')),
    state_reason text,
    passage_count integer NOT NULL DEFAULT 0,
    lexeme_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, document_id, version),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents ON DELETE CASCADE
);

CREATE TABLE document_events (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    number integer NOT NULL,
    version integer NOT NULL,
    state text NOT NULL,
    reason text,
    done integer,
    total integer,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, document_id, number),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents ON DELETE CASCADE
);

-- Consent ----------------------------------------------------------------------------------

CREATE TABLE notices (
    tenant_id uuid NOT NULL REFERENCES tenants,
    hash bytea NOT NULL,          -- SHA-256 of the notice exactly as it was shown
    language text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);

CREATE TABLE consents (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    pii_principal_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    notice_hash bytea NOT NULL,
    record jsonb NOT NULL,        -- the ISO/IEC TS 27560 fields that never change
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, pii_principal_id) REFERENCES people,
    FOREIGN KEY (tenant_id, recipient_id) REFERENCES people,
    FOREIGN KEY (tenant_id, notice_hash) REFERENCES notices
);
CREATE INDEX consents_principal_idx ON consents (tenant_id, pii_principal_id, id);
CREATE INDEX consents_recipient_idx ON consents (tenant_id, recipient_id, id);

CREATE TABLE consent_events (
    tenant_id uuid NOT NULL,
    consent_id uuid NOT NULL,
    seq integer NOT NULL,
    event_type text NOT NULL,
    event_state text NOT NULL CHECK (event_state IN
        ('requested', 'given', 'refused', 'withdrawn', 'expired', 'invalidated', 'revoked', 'renewed')),
    entity_id uuid NOT NULL,
    event_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, consent_id, seq),
    FOREIGN KEY (tenant_id, consent_id) REFERENCES consents
);

CREATE TABLE consent_receipts (
    tenant_id uuid NOT NULL,
    consent_id uuid NOT NULL,
    party_id uuid NOT NULL,
    id uuid NOT NULL,
    receipt text NOT NULL,        -- a JWS in compact form, signed by the deployment
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, consent_id, party_id),
    FOREIGN KEY (tenant_id, consent_id) REFERENCES consents
);

CREATE TABLE grants (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    consent_id uuid NOT NULL,
    grantor_id uuid NOT NULL,
    grantee_id uuid NOT NULL,
    resource_kind text NOT NULL CHECK (resource_kind IN ('document')),
    resource_id uuid NOT NULL,
    actions text[] NOT NULL CHECK (actions <> '{}'),
    purpose text NOT NULL,
    not_before timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    max_uses integer CHECK (max_uses > 0),
    uses_left integer CHECK (uses_left >= 0),
    epoch integer NOT NULL DEFAULT 1,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, consent_id) REFERENCES consents,
    FOREIGN KEY (tenant_id, grantor_id) REFERENCES people,
    FOREIGN KEY (tenant_id, grantee_id) REFERENCES people,
    FOREIGN KEY (tenant_id, purpose) REFERENCES purposes,
    CONSTRAINT grants_window_check CHECK (not_before < expires_at),
    CONSTRAINT grants_uses_check CHECK ((max_uses IS NULL) = (uses_left IS NULL) AND uses_left <= max_uses)
);
CREATE INDEX grants_grantee_idx ON grants (tenant_id, grantee_id, id);
CREATE INDEX grants_grantor_idx ON grants (tenant_id, grantor_id, id);
CREATE INDEX grants_resource_idx ON grants (tenant_id, resource_id);
CREATE INDEX grants_consent_idx ON grants (tenant_id, consent_id);

-- The log: what was released, to whom, and the tree that nobody can rewrite -----------------

CREATE TABLE audit_events (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    actor_id uuid NOT NULL,
    action text,
    purpose text,
    policy_version text,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_events_actor_idx ON audit_events (tenant_id, actor_id, id);

-- What the commitments in a leaf are made with. Erasure deletes it; leaf and proofs stay valid.
CREATE TABLE audit_bodies (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    salt bytea NOT NULL,
    body jsonb NOT NULL,          -- ids and facts that the columns do not hold; never content
    PRIMARY KEY (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events
);

CREATE TABLE audit_resources (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    grant_id uuid,                -- NULL: the owner's own access
    grant_epoch integer,
    consent_id uuid,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, event_id, document_id, version),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events
);

CREATE TABLE audit_pending (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events
);

CREATE TABLE audit_takes (        -- a release opens keys once
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events
);

CREATE TABLE audit_leaves (
    tenant_id uuid NOT NULL,
    leaf_index bigint NOT NULL,
    event_id uuid NOT NULL,
    leaf bytea NOT NULL,          -- RFC 8785 canonical JSON; its RFC 6962 hash is node (0, leaf_index)
    PRIMARY KEY (tenant_id, leaf_index),
    CONSTRAINT audit_leaves_event_key UNIQUE (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events
);

CREATE TABLE audit_numbers (      -- the gapless numbers of one document's releases
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    release_seq bigint NOT NULL,
    event_id uuid NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant_id, document_id, release_seq),
    CONSTRAINT audit_numbers_resource_key UNIQUE (tenant_id, event_id, document_id, version),
    FOREIGN KEY (tenant_id, event_id, document_id, version) REFERENCES audit_resources
);

CREATE TABLE audit_nodes (        -- hashes of the complete subtrees
    tenant_id uuid NOT NULL REFERENCES tenants,
    level integer NOT NULL,
    index bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, level, index)
);

CREATE TABLE audit_checkpoints (
    tenant_id uuid NOT NULL REFERENCES tenants,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,           -- C2SP signed note
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, size)
);

-- The index: lexemes and vectors in the clear, passage text sealed ---------------------------

CREATE TABLE passages (
    tenant_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    ordinal integer NOT NULL,
    start_byte bigint NOT NULL,
    end_byte bigint NOT NULL,
    page integer,
    sealed_text bytea NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT passages_ordinal_key UNIQUE (tenant_id, document_id, version, ordinal),
    FOREIGN KEY (tenant_id, document_id, version) REFERENCES versions ON DELETE CASCADE
);

-- Rows of one owner lie together, in a narrow table: an exact scan reads few pages. Every way into
-- vectors and postings begins with tenant and owner, or with one document, so that no plan of a
-- search can read what others hide.
CREATE TABLE passage_vectors (
    tenant_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    passage_id bigint NOT NULL,
    model text NOT NULL,
    embedding halfvec(384) NOT NULL,
    PRIMARY KEY (tenant_id, owner_id, document_id, passage_id, model),
    FOREIGN KEY (tenant_id, owner_id, document_id) REFERENCES documents (tenant_id, owner_id, id)
        ON DELETE CASCADE
);
ALTER TABLE passage_vectors ALTER COLUMN embedding SET STORAGE PLAIN;

-- Without a foreign key: checking one for each lexeme made indexing half as fast. Whoever writes
-- postings holds the document's row, and whoever deletes the document deletes them.
CREATE TABLE postings (
    tenant_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    lexeme text NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    passage_id bigint NOT NULL,
    frequency smallint NOT NULL,
    length integer NOT NULL,      -- lexemes in the passage
    PRIMARY KEY (tenant_id, owner_id, lexeme, document_id, passage_id)
);
CREATE INDEX postings_document_idx ON postings (document_id, tenant_id);  -- for deleting

CREATE FUNCTION delete_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM postings p USING erased e
    WHERE p.tenant_id = e.tenant_id AND p.document_id = e.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER delete_postings AFTER DELETE ON documents REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION delete_postings();

-- Chats -------------------------------------------------------------------------------------

CREATE TABLE conversations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    sealed_title bytea NOT NULL,
    message_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES people
);
CREATE INDEX conversations_owner_idx ON conversations (tenant_id, owner_id, id);

CREATE TABLE messages (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    sequence integer NOT NULL,
    id uuid NOT NULL,
    parent_id uuid,
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    sealed_content bytea,         -- NULL: an answer that is still running, or a tombstone
    tombstone text,               -- why the content is gone
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT messages_sequence_key UNIQUE (tenant_id, conversation_id, sequence),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, parent_id) REFERENCES messages
);

CREATE TABLE runs (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    question_id uuid NOT NULL,
    answer_id uuid NOT NULL,
    purpose text NOT NULL,
    model text NOT NULL,
    prompt_version text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'completed', 'cancelled', 'failed', 'access_revoked')),
    event_count integer NOT NULL DEFAULT 0,
    cancel_requested_at timestamptz,
    lease_expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, question_id) REFERENCES messages ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, answer_id) REFERENCES messages ON DELETE CASCADE
);
CREATE UNIQUE INDEX runs_one_active_idx ON runs (tenant_id, conversation_id) WHERE state = 'running';
CREATE INDEX runs_lease_idx ON runs (lease_expires_at) WHERE state = 'running';

CREATE TABLE run_events (
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,
    number integer NOT NULL,
    type text NOT NULL,
    sealed_data bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, run_id, number),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs ON DELETE CASCADE
);

CREATE TABLE run_sources (        -- what an answer rests on; withdrawal and erasure find it here
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    release_id uuid NOT NULL,
    grant_id uuid,
    PRIMARY KEY (tenant_id, run_id, document_id, version),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs ON DELETE CASCADE
);
CREATE INDEX run_sources_document_idx ON run_sources (tenant_id, document_id);
CREATE INDEX run_sources_grant_idx ON run_sources (tenant_id, grant_id);

-- Requests that were already carried out ------------------------------------------------------

CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    person_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    resource_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, person_id, route, key),
    FOREIGN KEY (tenant_id, person_id) REFERENCES people
);
