-- Whether the model that arrives may serve: nothing that is searched lacks its vectors, and every
-- process that lives knows it. Asked while the rows of embedding_models are held, so that nothing
-- without its vectors is published meanwhile.
SELECT NOT EXISTS (
    SELECT FROM documents d
    JOIN versions v ON v.tenant_id = d.tenant_id AND v.document_id = d.id
                   AND v.version = d.searchable_version
    WHERE d.tenant_id = :tenant AND d.searchable_version IS NOT NULL AND d.index_mode <> 'none'
      AND v.passage_count > 0 AND NOT v.embedded_as @> ARRAY[CAST(:model AS text)]
) AND NOT EXISTS (
    SELECT FROM embedding_readers r
    WHERE r.seen_at > clock_timestamp() - make_interval(secs => :reader_seconds)
      AND NOT r.known @> ARRAY[CAST(:model AS text)]
)
