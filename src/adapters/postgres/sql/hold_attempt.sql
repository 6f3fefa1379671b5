-- The fence, and the lock that orders writers: finds its row only while the document exists, this
-- version is the current one, and no later attempt has begun. A racing writer waits for the row,
-- and then these conditions are judged again on the row as it has become.
SELECT 1 FROM documents
WHERE tenant_id = :tenant AND id = :document AND current_version = :version
  AND index_attempt = :attempt
FOR NO KEY UPDATE
