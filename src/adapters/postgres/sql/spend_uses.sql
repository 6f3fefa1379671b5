-- Take one use from each grant and from every grant it comes from, where all of these have one and
-- are open now: all of a chain, or none of it. Every condition is in the WHERE of the UPDATE, so
-- that no race can pass between looking and taking. An interval that is over begins anew.
-- Returns the grants whose whole chain was paid.
WITH chain AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:grants AS uuid[]), CAST(:links AS uuid[])) AS c (grant_id, link_id)
), judged AS MATERIALIZED (
    SELECT g.id,
           g.interval_started_at IS NULL
               OR clock_timestamp() >= g.interval_started_at + make_interval(secs => g.interval_seconds)
               AS is_new_interval
    FROM grants g
    WHERE g.tenant_id = :tenant AND g.id IN (SELECT link_id FROM chain)
), open AS MATERIALIZED (
    SELECT g.id, j.is_new_interval FROM grants g JOIN judged j ON j.id = g.id
    WHERE g.tenant_id = :tenant AND g.revoked_at IS NULL
      AND g.not_before <= clock_timestamp() AND clock_timestamp() < g.expires_at
      AND (g.uses_left IS NULL OR g.uses_left > 0)
      AND (g.interval_uses IS NULL OR j.is_new_interval OR g.interval_left > 0)
), paying AS MATERIALIZED (
    SELECT c.grant_id FROM chain c LEFT JOIN open o ON o.id = c.link_id
    GROUP BY c.grant_id HAVING bool_and(o.id IS NOT NULL)
), spent AS (
    UPDATE grants g
    SET uses_left = g.uses_left - 1,
        interval_left = CASE WHEN o.is_new_interval THEN g.interval_uses ELSE g.interval_left END - 1,
        interval_started_at = CASE WHEN g.interval_uses IS NULL THEN NULL
                                   WHEN o.is_new_interval THEN clock_timestamp()
                                   ELSE g.interval_started_at END
    FROM open o
    WHERE g.tenant_id = :tenant AND g.id = o.id AND g.is_counted AND g.revoked_at IS NULL
      AND (g.uses_left IS NULL OR g.uses_left > 0)
      AND (g.interval_uses IS NULL OR o.is_new_interval OR g.interval_left > 0)
      AND g.id IN (SELECT c.link_id FROM chain c JOIN paying p USING (grant_id))
    RETURNING g.id
)
SELECT c.grant_id FROM chain c JOIN paying p USING (grant_id)
LEFT JOIN grants g ON g.tenant_id = :tenant AND g.id = c.link_id
LEFT JOIN spent s ON s.id = c.link_id
GROUP BY c.grant_id HAVING bool_and(s.id IS NOT NULL OR NOT g.is_counted)
