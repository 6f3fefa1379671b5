-- The next subject keys, of any version, that are wrapped under one tenant key, for rewrapping.
SELECT k.id, k.subject_id, k.version AS subject_key_version, k.wrapped AS subject_wrapped
FROM wrapping_keys k
WHERE k.tenant_id = :tenant AND k.wrapping_key_id = :under AND k.id > :after
ORDER BY k.id
LIMIT :limit
FOR NO KEY UPDATE SKIP LOCKED
