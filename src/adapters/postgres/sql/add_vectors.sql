-- Vectors of one model for passages that are there, beside those of others. They come as in
-- add_passages.sql. Whoever writes one again changes nothing.
INSERT INTO passage_vectors
    (tenant_id, owner_id, document_id, version, passage_id, model, embedding)
SELECT :tenant, :owner, :document, :version, p.id, :model,
       (numbers.all_of_them)[(g.place - 1) * :dimensions + 1 : g.place * :dimensions]::halfvec
FROM unnest(CAST(:ordinals AS integer[])) WITH ORDINALITY AS g (ordinal, place)
JOIN passages p ON p.tenant_id = :tenant AND p.document_id = :document AND p.version = :version
               AND p.ordinal = g.ordinal
CROSS JOIN (SELECT CAST(:vectors AS real[])) AS numbers (all_of_them)
ORDER BY p.id
ON CONFLICT DO NOTHING
