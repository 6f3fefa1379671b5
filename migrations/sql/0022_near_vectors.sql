-- A graph over the vectors (HNSW; Malkov, Yashunin, 2018): from one to its neighbours, nearer and
-- nearer to what is asked for. It is shared by all tenants; who may see what is looked at when it has
-- handed something out (see search.sql and ADR-0030).
--
-- A graph is of vectors of one length: that of the model that comes along. Others are compared one by
-- one.
--
-- Where there are vectors already, it is built when the migrations are done, beside those who write:
-- here it would keep them waiting for as long as it takes, minutes for a hundred thousand.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector'
                   AND string_to_array(extversion, '.')::int[] >= ARRAY[0, 8]) THEN
        RAISE EXCEPTION 'pgvector 0.8 or newer is needed: ALTER EXTENSION vector UPDATE';
    END IF;
    IF pg_relation_size('passage_vectors') = 0 THEN
        CREATE INDEX passage_vectors_near_idx ON passage_vectors
            USING hnsw ((embedding::halfvec(384)) halfvec_ip_ops) WITH (m = 24, ef_construction = 128)
            WHERE vector_dims(embedding) = 384;
        -- What is indexed is an expression, of which samples would be kept as of a column.
        ALTER INDEX passage_vectors_near_idx ALTER COLUMN 1 SET STATISTICS 0;
    END IF;
END
$$;
