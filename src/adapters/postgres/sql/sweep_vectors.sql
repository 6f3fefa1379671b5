-- Delete the vectors of a model that leaves, of some documents. Returns how many it was.
WITH chosen AS MATERIALIZED (
    SELECT v.document_id, v.version FROM versions v
    WHERE v.tenant_id = :tenant AND v.embedded_as @> ARRAY[CAST(:model AS text)]
    LIMIT :documents
    FOR NO KEY UPDATE
), vectors AS (
    DELETE FROM passage_vectors x USING chosen c, documents d
    WHERE d.tenant_id = :tenant AND d.id = c.document_id
      AND x.tenant_id = :tenant AND x.owner_id = d.owner_id AND x.document_id = c.document_id
      AND x.version = c.version AND x.model = :model
), noted AS (
    UPDATE versions v SET embedded_as = array_remove(v.embedded_as, :model)
    FROM chosen c
    WHERE v.tenant_id = :tenant AND v.document_id = c.document_id AND v.version = c.version
)
SELECT count(*) FROM chosen
