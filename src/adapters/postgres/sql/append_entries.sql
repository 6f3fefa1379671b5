-- Leaves, the nodes above them, and the checkpoint over all: one statement, one round trip.
WITH leaves AS (
    INSERT INTO audit_leaves (tenant_id, leaf_index, event_id, leaf)
    SELECT :tenant, :first_index + new.place - 1, new.event_id, new.leaf
    FROM unnest(CAST(:events AS uuid[]), CAST(:leaves AS bytea[]))
         WITH ORDINALITY AS new (event_id, leaf, place)
), nodes AS (
    INSERT INTO audit_nodes (tenant_id, level, index, hash)
    SELECT :tenant, new.*
    FROM unnest(CAST(:levels AS integer[]), CAST(:places AS bigint[]), CAST(:hashes AS bytea[])) AS new
)
INSERT INTO audit_checkpoints (tenant_id, size, root, note)
VALUES (:tenant, :size, :root, :note)
