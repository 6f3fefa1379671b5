-- Another index mode, and nothing left of the index so far, of whatever version. An attempt that is
-- under way cannot write any more (see hold_attempt.sql): what it has read was for the other mode.
WITH changed AS (
    UPDATE documents
    SET index_mode = :index_mode, searchable_version = NULL, index_attempt = index_attempt + 1,
        passage_count = 0, lexeme_count = 0, configuration = DEFAULT, updated_at = :at
    WHERE tenant_id = :tenant AND id = :document
), told AS (
    UPDATE versions
    SET passage_count = 0, lexeme_count = 0, language = NULL, configuration = DEFAULT
    WHERE tenant_id = :tenant AND document_id = :document
), vectors AS (
    DELETE FROM passage_vectors
    WHERE tenant_id = :tenant AND owner_id = :owner AND document_id = :document
), lexemes AS (
    DELETE FROM postings
    WHERE tenant_id = :tenant AND owner_id = :owner AND document_id = :document
), features AS (
    DELETE FROM passage_features WHERE tenant_id = :tenant AND document_id = :document
), history AS (
    DELETE FROM version_features
    WHERE tenant_id = :tenant AND owner_id = :owner AND document_id = :document
), sealed AS (
    DELETE FROM sealed_index WHERE tenant_id = :tenant AND document_id = :document
)
DELETE FROM passages WHERE tenant_id = :tenant AND document_id = :document
