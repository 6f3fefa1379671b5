-- A release or a denial, in a transaction of this statement alone: what it was decided on is held
-- first, and the statement fails where that has changed. See hold_release in migration 0029.
/* record_event */
FROM (SELECT hold_release(
    CAST(:tenant AS uuid), CAST(:actor AS uuid), CAST(:held_documents AS uuid[]),
    CAST(:held_collections AS uuid[]), CAST(:held_items AS uuid[]),
    CAST(:held_grants AS uuid[]), CAST(:held_epochs AS integer[]),
    CAST(:counted_grants AS uuid[]), CAST(:counted_links AS uuid[])) OFFSET 0) AS held
