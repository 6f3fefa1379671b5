-- Delete what an attempt left of a version in the index.
WITH vectors AS (
    DELETE FROM passage_vectors
    WHERE tenant_id = :tenant AND owner_id = :owner AND document_id = :document
      AND version = :version
), lexemes AS (
    DELETE FROM postings
    WHERE tenant_id = :tenant AND owner_id = :owner AND document_id = :document
      AND version = :version
), sealed AS (
    DELETE FROM sealed_index
    WHERE tenant_id = :tenant AND document_id = :document AND version = :version
), features AS (
    DELETE FROM passage_features
    WHERE tenant_id = :tenant AND document_id = :document AND version = :version
), texts AS (
    DELETE FROM passages
    WHERE tenant_id = :tenant AND document_id = :document AND version = :version
)
UPDATE versions SET passage_count = 0, lexeme_count = 0, embedded_as = '{}'
WHERE tenant_id = :tenant AND document_id = :document AND version = :version
