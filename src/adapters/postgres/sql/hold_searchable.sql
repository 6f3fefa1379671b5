-- Finds its row, and keeps it from changing, while this is the version that is searched.
SELECT 1 FROM documents
WHERE tenant_id = :tenant AND id = :document AND owner_id = :owner AND index_mode <> 'none'
  AND searchable_version = :version
FOR NO KEY UPDATE
