-- The keys of a release, in a transaction of this statement alone: another than the release's, which
-- take_deks makes sure of. The function is called with what entering the tenant returned, so that it
-- cannot be called before.
SELECT k.*
FROM (SELECT set_config('app.tenant', CAST(:tenant AS text), true) AS tenant,
             set_config('app.person', CAST(:person AS text), true) AS person OFFSET 0) AS entered
CROSS JOIN LATERAL take_deks(
    CASE WHEN entered.tenant <> '' AND entered.person <> '' THEN CAST(:release AS uuid) END) AS k
