-- The features of one's own passages as they were: of the version that was searched then, with the
-- owner's weight and one's own citations until then. Every row is of this person's documents. Each
-- document's last word is found by the key of its history, backwards.
WITH standing AS MATERIALIZED (
    SELECT d.id AS document_id, f.version, f.source, f.language, f.passage_count
    FROM documents d
    CROSS JOIN LATERAL (
        SELECT f.version, f.source, f.language, f.passage_count FROM version_features f
        WHERE f.tenant_id = :tenant AND f.owner_id = :person AND f.document_id = d.id
          AND f.at <= :as_of
        ORDER BY f.number DESC LIMIT 1
    ) f
    WHERE d.tenant_id = :tenant AND d.owner_id = :person
      AND (CAST(:after_document AS uuid) IS NULL OR d.id >= CAST(:after_document AS uuid))
)
SELECT s.document_id, s.version, s.source, s.language, s.passage_count,
       x.ordinal, x.length, x.heading_depth, x.features AS rules,
       floor(extract(epoch FROM :as_of - v.created_at) / 86400)::integer AS age_days,
       coalesce(w.weight, 1) AS weight, coalesce(c.citations, 0) AS citations
FROM standing s
JOIN passage_features x ON x.tenant_id = :tenant AND x.document_id = s.document_id
     AND x.version = s.version
JOIN versions v ON v.tenant_id = :tenant AND v.document_id = s.document_id
     AND v.version = s.version
LEFT JOIN LATERAL (
    SELECT w.weight FROM document_weights w
    WHERE w.tenant_id = :tenant AND w.owner_id = :person AND w.document_id = s.document_id
      AND w.at <= :as_of
    ORDER BY w.number DESC LIMIT 1
) w ON true
LEFT JOIN LATERAL (
    SELECT count(*)::integer AS citations FROM citations c
    WHERE c.tenant_id = :tenant AND c.person_id = :person AND c.document_id = s.document_id
      AND c.at <= :as_of
) c ON true
WHERE CAST(:after_document AS uuid) IS NULL
   OR (s.document_id, x.ordinal) > (CAST(:after_document AS uuid), CAST(:after_ordinal AS integer))
ORDER BY s.document_id, x.ordinal
LIMIT :limit
