-- Take the indexing of a version over from whoever did it before: what they still try to write
-- is refused (see hold_attempt). Finds nothing when the document was erased, belongs to someone
-- else, or has a newer version.
UPDATE documents SET index_attempt = index_attempt + 1
WHERE tenant_id = :tenant AND id = :document AND owner_id = :owner AND current_version = :version
RETURNING index_attempt, index_mode
