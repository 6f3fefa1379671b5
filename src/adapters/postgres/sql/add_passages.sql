-- A batch of passages with vectors and postings, in one statement and one round trip. (COPY is
-- refused on tables with row-level security.) Vectors come as one array of 4-byte floats, one
-- passage after the other. Lexemes are made here, so that stemming is PostgreSQL's, of words that
-- are not stored. Frequency and length count positions, of which a tsvector keeps 255 a lexeme.
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ordinals AS integer[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[]),
        CAST(:pages AS integer[]), CAST(:fields AS text[]), CAST(:sealed AS bytea[]),
        CAST(:words AS text[])
    ) WITH ORDINALITY AS t (ordinal, start_byte, end_byte, page, field, sealed_text, words, place)
), counted AS MATERIALIZED (
    SELECT g.ordinal, l.lexeme, coalesce(cardinality(l.positions), 1) AS frequency
    FROM given g CROSS JOIN LATERAL unnest(to_tsvector('english', g.words)) AS l
), measured AS MATERIALIZED (
    SELECT ordinal, sum(frequency) AS length FROM counted GROUP BY ordinal
), added AS (
    INSERT INTO passages
        (tenant_id, document_id, version, ordinal, start_byte, end_byte, page, field,
         lexeme_count, sealed_text)
    SELECT :tenant, :document, :version, ordinal, start_byte, end_byte, page, field,
           coalesce(m.length, 0), sealed_text
    FROM given LEFT JOIN measured m USING (ordinal) ORDER BY place
    RETURNING id, ordinal
), vectors AS (
    INSERT INTO passage_vectors
        (tenant_id, owner_id, document_id, version, passage_id, model, embedding)
    SELECT :tenant, :owner, :document, :version, a.id, :model,
           (numbers.all_of_them)[(g.place - 1) * :dimensions + 1 : g.place * :dimensions]::halfvec
    FROM added a JOIN given g USING (ordinal)
    CROSS JOIN (SELECT CAST(:vectors AS real[])) AS numbers (all_of_them)
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
    lexeme_count = v.lexeme_count + (SELECT coalesce(sum(frequency), 0) FROM counted)
WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version
