-- Candidates of a search, among exactly what this person may search now, for this purpose.
--
-- Consent comes first: `own` and `shared` are the visible versions (visible.sql), and nothing below
-- them looks at any other row. Postings and vectors are reached through keys that begin with the tenant and
-- the owner; of another owner only the granted documents are touched. So what is hidden changes
-- neither a score nor a count, nor how much is read. Statistics of BM25 (Robertson, Zaragoza,
-- 2009) are counted here, over the visible passages that match (see ADR-0009).
-- Weights are summed as whole numbers of 1e-9, so that the order in which a plan adds them cannot
-- move a score. The vectors of visible passages are all compared, where they are few or few among
-- all; otherwise a graph says which are near, and is checked. Either way it is said: `vectors`.
--
-- A question is understood in every language that is spoken in what is visible: each of its words
-- has lexemes in each, and matches in a document by those of the document's language alone. How
-- rare a word is counts over all languages; where it is a stop word, every passage is taken to
-- have it, so that `the` is not precious for being rare among German documents. Where words are
-- `literal` they are lexemes already, of whatever language.
--
-- `LATERAL (... OFFSET 0)` keeps a look-up by key a look-up by key, whatever the statistics of the
-- tables make the planner believe; what is joined otherwise is joined by hashing, see passages.py.
-- Returns at least one row, which carries the number of searchable words in the query, that of the
-- visible passages, and the model that serves: of another one not all vectors may be there. Where
-- others are found beside these (`mixed`: sealed ones, in memory), it carries besides what BM25 needs
-- to score all of them together: what was counted here, and what each of the best passages says.
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:words AS text[]), CAST(:folded AS text[]), CAST(:said AS integer[]))
        WITH ORDINALITY AS t (word, folded, said, term)
),
/* visible */
), spoken AS MATERIALIZED (
    SELECT configuration, sum(passage_count)::float8 AS passages,
           sum(lexeme_count)::float8 AS lexemes
    FROM (SELECT configuration, passage_count, lexeme_count FROM own
          UNION ALL SELECT configuration, passage_count, lexeme_count FROM shared)
    GROUP BY configuration
), corpus AS MATERIALIZED (
    SELECT sum(passages) AS passages, sum(lexemes) / greatest(sum(passages), 1) AS length_mean
    FROM spoken
), forms AS MATERIALIZED (
    SELECT a.term, s.configuration, s.passages,
           CASE WHEN :literal THEN ARRAY[a.word]
           ELSE lexemes_of(s.configuration, a.word, a.folded) END AS lexemes
    FROM asked a CROSS JOIN spoken s
), wanted AS MATERIALIZED (
    SELECT f.term, f.configuration, l.lexeme
    FROM forms f CROSS JOIN LATERAL unnest(f.lexemes) AS l (lexeme)
), matched AS MATERIALIZED (
    SELECT w.term, p.passage_id, p.frequency, p.length
    FROM (SELECT DISTINCT lexeme FROM wanted) d
    CROSS JOIN LATERAL (
        SELECT p.* FROM postings p
        WHERE p.tenant_id = :tenant AND p.owner_id = :person AND p.lexeme = d.lexeme
        OFFSET 0
    ) p
    JOIN own o ON o.document_id = p.document_id AND o.version = p.version
    JOIN wanted w ON w.lexeme = p.lexeme AND w.configuration = o.configuration
    UNION ALL
    SELECT w.term, p.passage_id, p.frequency, p.length
    FROM shared s
    JOIN wanted w ON w.configuration = s.configuration
    CROSS JOIN LATERAL (
        SELECT p.* FROM postings p
        WHERE p.tenant_id = :tenant AND p.owner_id = s.owner_id AND p.lexeme = w.lexeme
          AND p.document_id = s.document_id AND p.version = s.version
          AND CASE WHEN s.fields IS NULL THEN true ELSE
              (SELECT fields_covered(s.fields, ARRAY[f.field]) FROM passages f
               WHERE f.tenant_id = :tenant AND f.id = p.passage_id) END
        OFFSET 0
    ) p
), met AS MATERIALIZED (
    -- A word that is written with accents and without counts once. Few questions have accents, and
    -- the others need not be grouped for it.
    SELECT term, passage_id, frequency, length FROM matched
    WHERE NOT EXISTS (SELECT FROM forms WHERE cardinality(lexemes) > 1)
    UNION ALL
    SELECT term, passage_id, max(frequency), max(length) FROM matched
    WHERE EXISTS (SELECT FROM forms WHERE cardinality(lexemes) > 1)
    GROUP BY term, passage_id
), held AS MATERIALIZED (
    SELECT term, sum(passages) AS passages
    FROM (SELECT term, count(*)::float8 AS passages FROM met GROUP BY term
          UNION ALL SELECT term, passages FROM forms WHERE lexemes = '{}')
    GROUP BY term
), rarity AS MATERIALIZED (
    SELECT term, a.said * ln(1 + (c.passages - m.passages + 0.5) / (m.passages + 0.5)) AS weight
    FROM held m
    JOIN asked a USING (term)
    CROSS JOIN corpus c
), keyword AS (
    SELECT m.passage_id,
           sum((r.weight * m.frequency * (s.k1 + 1) * 1e9
                / (m.frequency + s.k1 * (1 - s.b + s.b * m.length / c.length_mean)))::bigint) AS score
    FROM met m JOIN rarity r USING (term)
    CROSS JOIN corpus c
    CROSS JOIN (SELECT CAST(:k1 AS float8) AS k1, CAST(:b AS float8) AS b) s
    GROUP BY m.passage_id
    ORDER BY score DESC, m.passage_id
    LIMIT :per_leg
), read AS MATERIALIZED (
    -- The versions whose vectors are compared.
    SELECT owner_id, document_id, version, fields, passage_count
    FROM (SELECT CAST(:person AS uuid) AS owner_id, document_id, version, NULL::text[] AS fields,
                 passage_count, configuration FROM own
          UNION ALL
          SELECT owner_id, document_id, version, fields, passage_count, configuration FROM shared)
    WHERE CAST(:vector AS halfvec) IS NOT NULL
      AND (CAST(:read AS text[]) IS NULL OR :all_compared
           OR configuration = ANY(CAST(:read AS text[])))
), route AS MATERIALIZED (
    -- How to compare them (ADR-0030). To have an entry of the graph handed out takes as long as to
    -- compare :entry_cost vectors, so that `entries_max` of them are no dearer than comparing all.
    -- The graph is asked where these will do, if what is visible lies in it by chance. It then hands
    -- out `entries`, whatever lies where: :spare times as many as that takes, of those it may.
    SELECT r.visible, r.entries_max,
           least(r.entries_max, ceil(CAST(:spare AS float8) * CAST(:fetched AS float8)
               * greatest(CAST(:total AS float8) / nullif(r.visible, 0), 1)))::bigint AS entries,
           CASE WHEN CAST(:vector AS halfvec) IS NULL THEN 'not_asked'
                WHEN CAST(:named AS bigint[]) IS NOT NULL THEN 'vector_store'
                WHEN r.visible <= CAST(:exact_max AS bigint) THEN 'few_visible'
                WHEN CAST(:graph AS oid) IS NULL THEN 'no_graph'
                WHEN CAST(:fetched AS float8) * CAST(:total AS float8)
                     > r.entries_max * r.visible THEN 'few_of_all_visible'
                ELSE 'graph' END AS reason
    FROM (SELECT v.visible, ceil(v.visible / CAST(:entry_cost AS float8)) AS entries_max
          FROM (SELECT coalesce(sum(passage_count), 0)::float8 AS visible FROM read) v) r
), started AS MATERIALIZED (
    -- The one row, if the graph is asked at all. The scan is bounded by what it visits, which is
    -- more than what it hands out; what it has handed out is counted by the server.
    SELECT set_config('hnsw.max_scan_tuples', least(
               entries_max * CAST(:visited_per_entry AS float8), 2e9)::bigint::text, true) AS bound,
           pg_stat_get_xact_tuples_returned(CAST(:graph AS oid)) AS entries
    FROM route WHERE reason = 'graph'
), parts AS MATERIALIZED (
    SELECT p.id
    FROM read r
    CROSS JOIN LATERAL (
        SELECT p.id FROM passages p
        WHERE p.tenant_id = :tenant AND p.document_id = r.document_id AND p.version = r.version
          AND fields_covered(r.fields, ARRAY[p.field])
        OFFSET 0
    ) p
    WHERE r.fields IS NOT NULL
), nearest AS MATERIALIZED (
    -- The graph hands out the nearest, whoever's they are, nearly in order, and always as many as
    -- was decided before: if it went on until enough were visible, its time would count the hidden
    -- ones that lie about the question. Whose they are is looked at afterwards.
    SELECT x.passage_id, x.document_id, x.version, x.model,
           -(x.embedding::halfvec(384) <#> CAST(:near AS halfvec(384))) AS score
    FROM passage_vectors x
    WHERE EXISTS (SELECT FROM started) AND vector_dims(x.embedding) = 384
      AND x.tenant_id = :tenant
    ORDER BY x.embedding::halfvec(384) <#> CAST(:near AS halfvec(384))
    LIMIT (SELECT entries FROM route)
), near AS MATERIALIZED (
    SELECT x.passage_id, x.score
    FROM nearest x
    WHERE x.model = :model
      AND CASE WHEN (x.document_id, x.version) IN
                    (SELECT document_id, version FROM read WHERE fields IS NULL) THEN true
          ELSE x.passage_id IN (SELECT id FROM parts) END
), method AS MATERIALIZED (
    -- Never silently short: the graph has the word only if it found more than are wanted, for its
    -- order is only nearly right, or all that are visible, among no more entries than it was trusted
    -- with (those of other tenants count). Past its bound it hands out what it happens to have seen.
    -- Where fewer than two thirds are visible of what would be by chance, hidden ones lie all about
    -- the question, and what is visible lies where the graph was seen to miss some of it.
    SELECT reason = 'graph' AS is_graph, reason NOT IN ('graph', 'vector_store') AS is_exact, reason
    FROM (
        SELECT CASE WHEN r.reason <> 'graph' THEN r.reason
                    WHEN f.found < least(greatest(CAST(:fetched AS float8), r.entries * r.visible
                                                  / greatest(CAST(:total AS float8), 1) * 2 / 3),
                                         r.visible)
                         OR f.entries NOT BETWEEN f.found AND r.entries_max
                        THEN 'graph_came_short'  -- also where the server does not count (track_counts)
                    ELSE 'graph' END AS reason
        FROM route r
        CROSS JOIN (
            SELECT count(*) AS found, pg_stat_get_xact_tuples_returned(CAST(:graph AS oid))
                   - (SELECT entries FROM started) AS entries
            FROM near
        ) f
    )
), semantic AS (
    SELECT passage_id, score FROM (
        SELECT x.passage_id, -(x.embedding <#> CAST(:vector AS halfvec)) AS score
        FROM passage_vectors x
        JOIN read r ON r.document_id = x.document_id AND r.version = x.version
        WHERE x.tenant_id = :tenant AND x.owner_id = :person AND x.model = :model
          AND (SELECT is_exact FROM method) AND :everything
        UNION ALL
        -- Whole documents of one owner in one pass through the index, in its order: with one for each,
        -- five thousand took twice as long. The model is looked at afterwards: asked of the index,
        -- which has the passage before it, it made that look for each passage anew.
        SELECT x.passage_id, -(x.embedding <#> CAST(:vector AS halfvec)) AS score
        FROM (
            SELECT owner_id, version, array_agg(document_id) AS documents FROM read
            WHERE fields IS NULL AND (owner_id <> :person OR NOT :everything)
            GROUP BY owner_id, version
        ) r
        CROSS JOIN LATERAL (
            SELECT x.* FROM passage_vectors x
            WHERE x.tenant_id = :tenant AND x.owner_id = r.owner_id
              AND x.document_id = ANY(r.documents) AND x.version = r.version
            OFFSET 0
        ) x
        WHERE x.model = :model AND (SELECT is_exact FROM method)
        UNION ALL
        SELECT x.passage_id, -(x.embedding <#> CAST(:vector AS halfvec)) AS score
        FROM read r
        CROSS JOIN LATERAL (
            SELECT x.* FROM passage_vectors x
            WHERE x.tenant_id = :tenant AND x.owner_id = r.owner_id
              AND x.document_id = r.document_id AND x.version = r.version AND x.model = :model
              AND (SELECT fields_covered(r.fields, ARRAY[f.field]) FROM passages f
                   WHERE f.tenant_id = :tenant AND f.id = x.passage_id)
            OFFSET 0
        ) x
        WHERE r.fields IS NOT NULL AND (SELECT is_exact FROM method)
        UNION ALL
        SELECT passage_id, score FROM near WHERE (SELECT is_graph FROM method)
        UNION ALL
        -- Passages that a store beside the database named. It is believed in nothing: whether they
        -- may be seen is judged here, and how near they are is computed here.
        SELECT n.id, -(x.embedding <#> CAST(:vector AS halfvec)) AS score
        FROM (SELECT DISTINCT id FROM unnest(CAST(:named AS bigint[])) AS n (id)) n
        CROSS JOIN LATERAL (
            SELECT p.document_id, p.version, p.field FROM passages p
            WHERE p.tenant_id = :tenant AND p.id = n.id
            OFFSET 0
        ) p
        JOIN read r ON r.document_id = p.document_id AND r.version = p.version
        CROSS JOIN LATERAL (
            SELECT x.embedding FROM passage_vectors x
            WHERE x.tenant_id = :tenant AND x.owner_id = r.owner_id
              AND x.document_id = p.document_id AND x.passage_id = n.id AND x.model = :model
            OFFSET 0
        ) x
        WHERE CASE WHEN r.fields IS NULL THEN true
              ELSE fields_covered(r.fields, ARRAY[p.field]) END
    )
    ORDER BY score DESC, passage_id
    LIMIT :per_leg
), found AS (
    SELECT passage_id, max(semantic) AS semantic, max(keyword) AS keyword
    FROM (SELECT passage_id, score AS semantic, NULL::float8 AS keyword FROM semantic
          UNION ALL SELECT passage_id, NULL, score::float8 / 1e9 FROM keyword)
    GROUP BY passage_id
), told AS MATERIALIZED (
    SELECT m.passage_id, max(m.length) AS length, array_agg(m.term) AS terms,
           array_agg(m.frequency) AS frequencies
    FROM met m JOIN keyword k USING (passage_id)
    WHERE :mixed
    GROUP BY m.passage_id
)
SELECT CASE WHEN EXISTS (SELECT FROM spoken) THEN (SELECT count(DISTINCT term) FROM wanted)
            ELSE (SELECT count(*) FROM asked) END AS words,
       coalesce((SELECT passages FROM corpus), 0)::bigint AS visible,
       (SELECT reason FROM method) AS vectors,
       (SELECT visible FROM route)::bigint AS comparable,
       (SELECT e.model FROM embedding_models e
        WHERE e.tenant_id = :tenant AND e.state = 'serving') AS serving,
       CASE WHEN :mixed THEN (SELECT sum(lexemes) FROM spoken)::bigint END AS lexemes,
       CASE WHEN :mixed THEN ARRAY(SELECT DISTINCT term FROM wanted) END AS searchable,
       CASE WHEN :mixed THEN ARRAY(SELECT term FROM held ORDER BY term) END AS held,
       CASE WHEN :mixed THEN ARRAY(SELECT passages::bigint FROM held ORDER BY term) END AS holding,
       f.*
FROM (SELECT) AS always
LEFT JOIN (
    SELECT p.id, p.document_id, p.version, p.field, f.semantic, f.keyword,
           t.length, t.terms, t.frequencies,
           d.configuration = ANY(CAST(:read AS text[])) AS is_read,
           p.ordinal, d.weight, x.length AS byte_length, x.heading_depth, v.media_type, v.language,
           v.age_days, coalesce(c.citations, 0) AS citations
    FROM found f
    LEFT JOIN told t USING (passage_id)
    CROSS JOIN LATERAL (
        SELECT p.id, p.document_id, p.version, p.field, p.ordinal FROM passages p
        WHERE p.tenant_id = :tenant AND p.id = f.passage_id
        OFFSET 0
    ) p
    CROSS JOIN LATERAL (
        SELECT d.configuration, d.weight FROM documents d
        WHERE d.tenant_id = :tenant AND d.id = p.document_id
        OFFSET 0
    ) d
    -- Features, where they are wanted. Of citations only those in answers to this person.
    LEFT JOIN LATERAL (
        SELECT x.length, x.heading_depth FROM passage_features x
        WHERE :features AND x.tenant_id = :tenant AND x.document_id = p.document_id
          AND x.version = p.version AND x.ordinal = p.ordinal
        OFFSET 0
    ) x ON true
    LEFT JOIN LATERAL (
        SELECT v.media_type, v.language,
               floor(extract(epoch FROM now() - v.created_at) / 86400)::integer AS age_days
        FROM versions v
        WHERE :features AND v.tenant_id = :tenant AND v.document_id = p.document_id
          AND v.version = p.version
        OFFSET 0
    ) v ON true
    LEFT JOIN LATERAL (
        SELECT count(*)::integer AS citations FROM citations c
        WHERE :features AND c.tenant_id = :tenant AND c.person_id = :person
          AND c.document_id = p.document_id
        OFFSET 0
    ) c ON true
) f ON true
