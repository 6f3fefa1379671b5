-- The models that serve and arrive, held as they are until the transaction ends: a swap waits for it,
-- and what waits for a swap finds what has become of it.
SELECT model, dimensions, state FROM embedding_models
WHERE tenant_id = :tenant AND state IN ('serving', 'arriving')
ORDER BY model
FOR SHARE
