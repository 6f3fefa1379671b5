-- A batch of passages of a sealed document, and what they are found by as one sealed value: nothing
-- here tells more than how long they are. Compare add_passages.sql.
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ordinals AS integer[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[]),
        CAST(:sealed AS bytea[])
    ) WITH ORDINALITY AS t (ordinal, start_byte, end_byte, sealed_text, place)
), added AS (
    INSERT INTO passages
        (tenant_id, document_id, version, ordinal, start_byte, end_byte, sealed_text)
    SELECT :tenant, :document, :version, ordinal, start_byte, end_byte, sealed_text
    FROM given ORDER BY place
    RETURNING id, ordinal
), indexed AS (
    INSERT INTO sealed_index
        (tenant_id, document_id, version, first_ordinal, passages, models, sealed_entries)
    SELECT :tenant, :document, :version, min(ordinal), array_agg(id ORDER BY ordinal),
           CAST(:models AS text[]), :entries
    FROM added
)
UPDATE versions v SET passage_count = v.passage_count + (SELECT count(*) FROM given)
WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version
