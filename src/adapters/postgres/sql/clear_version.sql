-- Delete what an attempt left of a version in the index. Vectors and postings go with their
-- passages.
WITH gone AS (
    DELETE FROM passages
    WHERE tenant_id = :tenant AND document_id = :document AND version = :version
)
UPDATE versions SET passage_count = 0, lexeme_count = 0
WHERE tenant_id = :tenant AND document_id = :document AND version = :version
