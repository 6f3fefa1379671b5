-- The lexemes of what this person may search now, for this purpose, that lie in the spans from :lows to
-- below :highs, each once: at most one more than :lexemes_max, those of the first spans before others.
-- Of own documents the index is skipped through from one lexeme to the next; of shared ones, and where
-- own ones are named, only their own postings are read, :postings_max of them. Other versions of own
-- documents may have a part in it: they are the asker's as well, and what is found by them is judged
-- again. Lexemes are compared by their code points (migration 0035), as the spans are.
WITH
/* visible */
), spans AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:lows AS text[]), CAST(:highs AS text[]))
        WITH ORDINALITY AS s (low, high, place)
), skipped AS (
    SELECT s.place, w.lexeme
    FROM spans s
    CROSS JOIN LATERAL (
        WITH RECURSIVE walked AS (
            (SELECT p.lexeme, 0 AS steps FROM postings p
             WHERE p.tenant_id = :tenant AND p.owner_id = :person
               AND p.lexeme >= s.low AND p.lexeme < s.high
             ORDER BY p.lexeme LIMIT 1)
            UNION ALL
            SELECT (SELECT p.lexeme FROM postings p
                    WHERE p.tenant_id = :tenant AND p.owner_id = :person
                      AND p.lexeme > w.lexeme AND p.lexeme < s.high
                    ORDER BY p.lexeme LIMIT 1), w.steps + 1
            FROM walked w WHERE w.lexeme IS NOT NULL AND w.steps < :lexemes_max
        )
        SELECT lexeme FROM walked WHERE lexeme IS NOT NULL
    ) w
    WHERE :everything AND EXISTS (SELECT FROM own)
    LIMIT :lexemes_max + 1
), read AS MATERIALIZED (
    SELECT p.lexeme
    FROM (SELECT document_id, version, fields FROM shared
          UNION ALL
          SELECT document_id, version, NULL FROM own WHERE NOT :everything) d
    CROSS JOIN LATERAL (
        SELECT p.lexeme FROM postings p
        WHERE p.document_id = d.document_id AND p.tenant_id = :tenant AND p.version = d.version
          AND CASE WHEN d.fields IS NULL THEN true ELSE
              (SELECT fields_covered(d.fields, ARRAY[f.field]) FROM passages f
               WHERE f.tenant_id = :tenant AND f.id = p.passage_id) END
        OFFSET 0
    ) p
    LIMIT :postings_max + 1
)
SELECT ARRAY(
           SELECT lexeme
           FROM (SELECT place, lexeme FROM skipped
                 UNION
                 SELECT s.place, r.lexeme
                 FROM (SELECT DISTINCT lexeme FROM read) r
                 JOIN spans s ON r.lexeme >= s.low AND r.lexeme < s.high)
           ORDER BY place
           LIMIT :lexemes_max + 1
       ) AS lexemes,
       (SELECT count(*) FROM read) > :postings_max AS is_cut
