-- Take one use from each grant that still has one and is open now. Every condition is in the
-- WHERE, so that no race can pass between looking and taking. Locked in the order of ids.
WITH open AS MATERIALIZED (
    SELECT g.id FROM grants g
    WHERE g.tenant_id = :tenant AND g.id = ANY(:grants)
    ORDER BY g.id
    FOR NO KEY UPDATE
)
UPDATE grants g SET uses_left = g.uses_left - 1
FROM open
WHERE g.tenant_id = :tenant AND g.id = open.id
  AND g.uses_left > 0 AND g.revoked_at IS NULL
  AND g.not_before <= clock_timestamp() AND clock_timestamp() < g.expires_at
RETURNING g.id
