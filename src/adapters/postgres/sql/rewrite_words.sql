-- Postings for passages that are there already; those of before are deleted. Words come as in
-- add_passages.sql, but named by the number of their passage. Returns how many words count.
WITH said AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:word_passages AS bigint[]), CAST(:words AS text[]), CAST(:folded AS text[]),
        CAST(:said AS integer[])
    ) AS t (passage_id, word, folded, said)
), forms AS MATERIALIZED (
    SELECT d.word, lexemes_of(:configuration, d.word, d.folded) AS lexemes
    FROM (SELECT DISTINCT word, folded FROM said) d
), counted AS MATERIALIZED (
    SELECT s.passage_id, l.lexeme, least(sum(s.said), 32767) AS frequency
    FROM said s JOIN forms f USING (word) CROSS JOIN LATERAL unnest(f.lexemes) AS l (lexeme)
    GROUP BY s.passage_id, l.lexeme
), measured AS MATERIALIZED (
    SELECT p.passage_id, coalesce(sum(s.said) FILTER (
               WHERE f.lexemes <> '{}' AND strpos(s.word, '.') = 0), 0) AS length
    FROM unnest(CAST(:passages AS bigint[])) AS p (passage_id)
    LEFT JOIN said s USING (passage_id) LEFT JOIN forms f USING (word)
    GROUP BY p.passage_id
), lengths AS (
    UPDATE passages p SET lexeme_count = m.length
    FROM measured m
    WHERE p.tenant_id = :tenant AND p.id = m.passage_id
), posted AS (
    INSERT INTO postings
        (tenant_id, owner_id, lexeme, document_id, version, passage_id, frequency, length)
    SELECT :tenant, :owner, c.lexeme, :document, :version, c.passage_id, c.frequency, m.length
    FROM counted c JOIN measured m USING (passage_id)
    ORDER BY c.lexeme, c.passage_id
)
SELECT coalesce(sum(length), 0)::bigint FROM measured
