-- In a tenant where nobody has said yet which model serves: the one that there are vectors of, or
-- this one. Of two that say so at once, one is believed.
INSERT INTO embedding_models (tenant_id, model, dimensions, state, served)
SELECT :tenant, coalesce(f.model, :model), coalesce(f.dimensions, :dimensions), 'serving', true
FROM (SELECT) AS always
LEFT JOIN (
    SELECT x.model, vector_dims(x.embedding) AS dimensions FROM passage_vectors x
    WHERE x.tenant_id = :tenant
    LIMIT 1
) f ON true
WHERE NOT EXISTS (SELECT FROM embedding_models WHERE tenant_id = :tenant AND state = 'serving')
ON CONFLICT DO NOTHING
