-- Some nodes of the tree, each by its key: a few dozen for a proof or for the tree's edge.
SELECT n.level, n.index, n.hash
FROM unnest(CAST(:levels AS integer[]), CAST(:places AS bigint[])) AS wanted (level, index)
CROSS JOIN LATERAL (
    SELECT a.level, a.index, a.hash FROM audit_nodes a
    WHERE a.tenant_id = :tenant AND a.level = wanted.level AND a.index = wanted.index
) n
