-- The keys of releases of several readers, in a transaction of this statement alone: another than theirs,
-- which take_released makes sure of. The function is called with what entering the tenant returned, so
-- that it cannot be called before.
SELECT k.*
FROM (SELECT set_config('app.tenant', CAST(:tenant AS text), true) AS tenant OFFSET 0) AS entered
CROSS JOIN LATERAL take_released(
    CASE WHEN entered.tenant <> '' THEN CAST(:releases AS uuid[]) END,
    CAST(:persons AS uuid[])) AS k
