-- How far a search reaches: how many passages may be searched, and which documents of others.
WITH
/* visible */
), numbered AS (
    SELECT document_id FROM shared ORDER BY document_id LIMIT :documents_max
)
SELECT coalesce((SELECT sum(passage_count) FROM own), 0)::bigint
       + coalesce((SELECT sum(passage_count) FROM shared), 0)::bigint AS passages,
       ARRAY(SELECT document_id FROM numbered) AS shared
