-- The same version may have been disclosed under one grant to this answer, and under another to an
-- earlier one that stood in its prompt. Either may be withdrawn, so both are kept. The release is in
-- the key because a grant may be absent: one's own documents are opened under none.
ALTER TABLE run_sources
    DROP CONSTRAINT run_sources_pkey,
    ADD PRIMARY KEY (tenant_id, run_id, document_id, version, release_id);
