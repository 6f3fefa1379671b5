-- Languages. A document's words are cut to stems by the configuration of its language; whoever
-- searches is understood in every language of what they may see.

-- `language` is a tag of BCP 47: of a document what its owner said (NULL: nothing), of a version
-- what it is indexed as. `configuration` names a text search configuration of PostgreSQL, or
-- `simple`; that of a document is the one of its searchable version. What was indexed before was
-- cut as English, and `analysis` 0 says that this was by other rules than today's.
ALTER TABLE versions
    ADD COLUMN language text,
    ADD COLUMN configuration text NOT NULL DEFAULT 'english';
ALTER TABLE documents
    ADD COLUMN language text,
    ADD COLUMN configuration text NOT NULL DEFAULT 'english',
    ADD COLUMN analysis integer NOT NULL DEFAULT 0;

DROP INDEX documents_searchable_idx;
CREATE INDEX documents_searchable_idx ON documents (tenant_id, owner_id)
    INCLUDE (id, searchable_version, passage_count, lexeme_count, configuration)
    WHERE searchable_version IS NOT NULL AND index_mode = 'clear';
-- Of those of before alone: an index of all that is searchable would be a way for a search to read
-- what is not the searcher's.
CREATE INDEX documents_analysis_idx ON documents (tenant_id, id)
    WHERE searchable_version IS NOT NULL AND index_mode = 'clear' AND analysis < 1;

-- The lexemes of a word: of the word as it is written, and without accents where that differs, so
-- that it is found either way. Stemming is that of PostgreSQL's Snowball dictionaries, asked word
-- by word: its parser would cut words of some scripts apart, according to the server's locale.
-- Empty for a stop word. `word` comes in folded case.
CREATE FUNCTION lexemes_of(configuration text, word text, folded text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN configuration = 'simple' AND word = folded THEN ARRAY[word]
        WHEN configuration = 'simple' THEN ARRAY[word, folded]
        WHEN word = folded
            THEN ts_lexize(('pg_catalog.' || configuration || '_stem')::regdictionary, word)
        ELSE (
            SELECT CASE WHEN written = '{}' OR written = bare THEN written ELSE written || bare END
            FROM (SELECT
                ts_lexize(('pg_catalog.' || configuration || '_stem')::regdictionary, word) AS written,
                ts_lexize(('pg_catalog.' || configuration || '_stem')::regdictionary, folded) AS bare
            )
        )
    END
$$;

-- Across tenants, ids alone: what was indexed by older rules, for whoever does it anew. A document
-- with a newer version on its way is left to that.
CREATE FUNCTION documents_analysed_before_1()
RETURNS TABLE (tenant_id uuid, owner_id uuid, document_id uuid, version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT d.tenant_id, d.owner_id, d.id, d.searchable_version FROM documents d
    WHERE d.searchable_version IS NOT NULL AND d.index_mode = 'clear' AND d.analysis < 1
      AND d.searchable_version = d.current_version
    LIMIT 100
$$;
CREATE POLICY owner_functions ON documents FOR SELECT TO CURRENT_USER USING (true);
REVOKE ALL ON FUNCTION documents_analysed_before_1 FROM PUBLIC;
GRANT EXECUTE ON FUNCTION documents_analysed_before_1 TO strongroom_app;
GRANT UPDATE (lexeme_count) ON passages TO strongroom_app;
