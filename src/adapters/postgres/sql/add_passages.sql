-- A batch of passages with vectors and postings, in one statement and one round trip. (COPY is
-- refused on tables with row-level security.) Vectors come as one array of 4-byte floats, one
-- passage after the other. Lexemes are made here, so that stemming is PostgreSQL's, of words that
-- are not stored. Frequency and length count positions, of which a tsvector keeps 255 a lexeme.
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ordinals AS integer[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[]),
        CAST(:pages AS integer[]), CAST(:sealed AS bytea[]), CAST(:words AS text[])
    ) WITH ORDINALITY AS t (ordinal, start_byte, end_byte, page, sealed_text, words, place)
), added AS (
    INSERT INTO passages
        (tenant_id, document_id, version, ordinal, start_byte, end_byte, page, sealed_text)
    SELECT :tenant, :document, :version, ordinal, start_byte, end_byte, page, sealed_text
    FROM given ORDER BY place
    RETURNING id, ordinal
), vectors AS (
    INSERT INTO passage_vectors
        (tenant_id, owner_id, document_id, version, passage_id, model, embedding)
    SELECT :tenant, :owner, :document, :version, a.id, :model,
           (numbers.all_of_them)[(g.place - 1) * :dimensions + 1 : g.place * :dimensions]::halfvec
    FROM added a JOIN given g USING (ordinal)
    CROSS JOIN (SELECT CAST(:vectors AS real[])) AS numbers (all_of_them)
    ORDER BY a.id
), counted AS (
    SELECT a.id, l.lexeme, coalesce(cardinality(l.positions), 1) AS frequency
    FROM added a JOIN given g USING (ordinal)
    CROSS JOIN LATERAL unnest(to_tsvector('english', g.words)) AS l
), measured AS (
    SELECT id, lexeme, frequency, sum(frequency) OVER (PARTITION BY id) AS length FROM counted
), posted AS (
    INSERT INTO postings
        (tenant_id, owner_id, lexeme, document_id, version, passage_id, frequency, length)
    SELECT :tenant, :owner, lexeme, :document, :version, id, frequency, length
    FROM measured ORDER BY lexeme, id
)
UPDATE versions v
SET passage_count = v.passage_count + (SELECT count(*) FROM given),
    lexeme_count = v.lexeme_count + (SELECT coalesce(sum(frequency), 0) FROM counted)
WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version
