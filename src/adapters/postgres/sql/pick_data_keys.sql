-- The next data keys that are wrapped under one subject key, for rewrapping. Rows that another
-- keykeeper holds are left to it. NO KEY: whoever stores something beside them does not wait.
SELECT k.id, k.owner_id, k.kind, k.resource_id, k.version, k.wrapped
FROM data_keys k
WHERE k.tenant_id = :tenant AND k.wrapping_key_id = :under AND k.id > :after
ORDER BY k.id
LIMIT :limit
FOR NO KEY UPDATE SKIP LOCKED
