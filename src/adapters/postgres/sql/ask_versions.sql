-- What is to be known of these versions to decide about them; nothing is locked. See migration 0029.
SELECT * FROM ask_versions(CAST(:tenant AS uuid), CAST(:person AS uuid), CAST(:documents AS uuid[]),
                           CAST(:wanted AS integer[]))
