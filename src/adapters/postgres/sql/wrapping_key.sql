-- A wrapping key with the tenant's key above it, under the names that a key chain reads.
-- :id names one version; without it, the active version of :subject (NULL: of the tenant) is held
-- until the transaction ends, so that nobody destroys it meanwhile.
SELECT s.id AS subject_key_id, s.subject_id, s.version AS subject_key_version,
       s.wrapped AS subject_wrapped,
       t.id AS tenant_key_id, t.version AS tenant_key_version, t.wrapped AS tenant_wrapped
FROM wrapping_keys s
JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = coalesce(s.wrapping_key_id, s.id)
WHERE s.tenant_id = :tenant
  AND CASE WHEN CAST(:id AS uuid) IS NULL
      THEN s.subject_id IS NOT DISTINCT FROM CAST(:subject AS uuid) AND s.retired_at IS NULL
      ELSE s.id = :id END
FOR KEY SHARE OF s
