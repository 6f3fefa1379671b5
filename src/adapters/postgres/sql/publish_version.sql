-- The version that is searched from now on, and nothing left of the ones before it but their
-- features, which tell of times past.
WITH published AS (
    UPDATE documents d
    SET searchable_version = v.version, passage_count = v.passage_count,
        lexeme_count = v.lexeme_count, configuration = v.configuration, analysis = :analysis
    FROM versions v
    WHERE d.tenant_id = :tenant AND d.id = :document
      AND v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version
), told AS (
/* tell_version_features */
), vectors AS (
    DELETE FROM passage_vectors
    WHERE tenant_id = :tenant AND owner_id = :owner AND document_id = :document
      AND version <> :version
), lexemes AS (
    DELETE FROM postings
    WHERE tenant_id = :tenant AND owner_id = :owner AND document_id = :document
      AND version <> :version
), sealed AS (
    DELETE FROM sealed_index
    WHERE tenant_id = :tenant AND document_id = :document AND version <> :version
)
DELETE FROM passages
WHERE tenant_id = :tenant AND document_id = :document AND version <> :version
