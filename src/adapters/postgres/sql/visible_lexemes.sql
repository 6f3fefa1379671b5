-- The lexemes of what this person may search now, for this purpose, each once: at most :lexemes_max,
-- in no order that matters. Of own documents the index is skipped through from one lexeme to the next;
-- of shared ones only their own postings are read. Other versions of own documents may have a part in
-- it: they are the asker's as well, and what is found by them is judged again.
WITH RECURSIVE
/* visible */
), skipped AS (
    (SELECT p.lexeme, 1 AS place FROM postings p
     WHERE p.tenant_id = :tenant AND p.owner_id = :person
       AND EXISTS (SELECT FROM own)
     ORDER BY p.lexeme LIMIT 1)
    UNION ALL
    SELECT (SELECT p.lexeme FROM postings p
            WHERE p.tenant_id = :tenant AND p.owner_id = :person AND p.lexeme > s.lexeme
            ORDER BY p.lexeme LIMIT 1), s.place + 1
    FROM skipped s WHERE s.lexeme IS NOT NULL AND s.place < :lexemes_max
), of_others AS (
    SELECT DISTINCT p.lexeme
    FROM shared s
    CROSS JOIN LATERAL (
        SELECT p.lexeme FROM postings p
        WHERE p.document_id = s.document_id AND p.tenant_id = :tenant AND p.version = s.version
          AND CASE WHEN s.fields IS NULL THEN true ELSE
              (SELECT fields_covered(s.fields, ARRAY[f.field]) FROM passages f
               WHERE f.tenant_id = :tenant AND f.id = p.passage_id) END
        LIMIT :lexemes_max
    ) p
)
SELECT lexeme FROM skipped WHERE lexeme IS NOT NULL
UNION SELECT lexeme FROM of_others
LIMIT :lexemes_max
