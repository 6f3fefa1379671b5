-- Every version of every key of a tenant, and how many keys are wrapped under it: the tenant's
-- own first, then those of subjects that have more than one version.
SELECT w.subject_id, w.version, w.retired_at IS NULL AS active,
       (SELECT count(*) FROM wrapping_keys u
        WHERE u.tenant_id = w.tenant_id AND u.wrapping_key_id = w.id)
       + (SELECT count(*) FROM data_keys u
          WHERE u.tenant_id = w.tenant_id AND u.wrapping_key_id = w.id) AS wraps
FROM wrapping_keys w
WHERE w.tenant_id = :tenant
  AND (w.subject_id IS NULL OR EXISTS (
        SELECT 1 FROM wrapping_keys r
        WHERE r.tenant_id = w.tenant_id AND r.subject_id = w.subject_id AND r.retired_at IS NOT NULL))
ORDER BY w.subject_id NULLS FIRST, w.version
LIMIT 1000
