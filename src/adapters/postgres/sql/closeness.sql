-- How close candidates of a search are to the middle of its best hits: the inner product with the
-- mean of their vectors.
WITH
/* candidate_vectors */
), middle AS MATERIALIZED (
    SELECT avg(embedding) AS embedding FROM near WHERE id = ANY(CAST(:best AS bigint[]))
)
SELECT n.id, -(n.embedding <#> m.embedding) AS closeness
FROM near n CROSS JOIN middle m
WHERE m.embedding IS NOT NULL
