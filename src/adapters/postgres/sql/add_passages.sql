-- A batch of passages with vectors and postings, in one statement and one round trip. (COPY is
-- refused on tables with row-level security.) Vectors come as one array of 4-byte floats, one
-- passage after the other. Words come one row for each passage and word, with how often it is said;
-- lexemes are made of them here, so that stemming is PostgreSQL's (see lexemes_of). Words are not
-- stored. A word with accents has a posting for each way to write it, and counts as one. What is
-- written together has a point in it, and makes no passage longer: its parts do.
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ordinals AS integer[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[]),
        CAST(:pages AS integer[]), CAST(:fields AS text[]), CAST(:sealed AS bytea[]),
        CAST(:depths AS smallint[])
    ) WITH ORDINALITY AS t (ordinal, start_byte, end_byte, page, field, sealed_text, depth, place)
), said AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:word_passages AS integer[]), CAST(:words AS text[]), CAST(:folded AS text[]),
        CAST(:said AS integer[])
    ) AS t (ordinal, word, folded, said)
), forms AS MATERIALIZED (
    SELECT d.word, lexemes_of(:configuration, d.word, d.folded) AS lexemes
    FROM (SELECT DISTINCT word, folded FROM said) d
), counted AS MATERIALIZED (
    SELECT s.ordinal, l.lexeme, least(sum(s.said), 32767) AS frequency
    FROM said s JOIN forms f USING (word) CROSS JOIN LATERAL unnest(f.lexemes) AS l (lexeme)
    GROUP BY s.ordinal, l.lexeme
), measured AS MATERIALIZED (
    SELECT s.ordinal, coalesce(sum(s.said) FILTER (WHERE strpos(s.word, '.') = 0), 0) AS length
    FROM said s JOIN forms f USING (word) WHERE f.lexemes <> '{}' GROUP BY s.ordinal
), added AS (
    INSERT INTO passages
        (tenant_id, document_id, version, ordinal, start_byte, end_byte, page, field,
         lexeme_count, sealed_text)
    SELECT :tenant, :document, :version, ordinal, start_byte, end_byte, page, field,
           coalesce(m.length, 0), sealed_text
    FROM given LEFT JOIN measured m USING (ordinal) ORDER BY place
    RETURNING id, ordinal
), described AS (
    INSERT INTO passage_features
        (tenant_id, document_id, version, ordinal, length, heading_depth, features)
    SELECT :tenant, :document, :version, ordinal, end_byte - start_byte, depth, :features FROM given
), vectors AS (
    INSERT INTO passage_vectors
        (tenant_id, owner_id, document_id, version, passage_id, model, embedding)
    SELECT :tenant, :owner, :document, :version, a.id, :model,
           (numbers.all_of_them)[(g.place - 1) * :dimensions + 1 : g.place * :dimensions]::halfvec
    FROM added a JOIN given g USING (ordinal)
    CROSS JOIN (SELECT CAST(:vectors AS real[])) AS numbers (all_of_them)
    WHERE numbers.all_of_them <> '{}'
    ORDER BY a.id
), posted AS (
    INSERT INTO postings
        (tenant_id, owner_id, lexeme, document_id, version, passage_id, frequency, length)
    SELECT :tenant, :owner, c.lexeme, :document, :version, a.id, c.frequency, m.length
    FROM added a JOIN counted c USING (ordinal) JOIN measured m USING (ordinal)
    ORDER BY c.lexeme, a.id
)
UPDATE versions v
SET passage_count = v.passage_count + (SELECT count(*) FROM given),
    lexeme_count = v.lexeme_count + (SELECT coalesce(sum(length), 0) FROM measured),
    language = :language, configuration = :configuration
WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version
