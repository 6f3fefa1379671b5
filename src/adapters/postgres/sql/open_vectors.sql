-- The vectors of candidates from the open index, in the form that pgvector writes.
WITH
/* candidate_vectors */
)
SELECT id, embedding::text AS vector FROM near
