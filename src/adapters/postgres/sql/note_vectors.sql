-- Count the vectors of a version, and remember the models that it has all of.
UPDATE versions v
SET embedded_as = ARRAY(
    SELECT m.model FROM (
        SELECT x.model, 1 AS passages FROM passage_vectors x
        WHERE x.tenant_id = :tenant AND x.owner_id = :owner AND x.document_id = :document
          AND x.version = :version
        UNION ALL
        SELECT unnest(s.models), cardinality(s.passages) FROM sealed_index s
        WHERE s.tenant_id = :tenant AND s.document_id = :document AND s.version = :version
    ) m
    GROUP BY m.model HAVING sum(m.passages) = v.passage_count
    ORDER BY m.model
)
WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version
