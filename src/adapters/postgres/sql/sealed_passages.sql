-- The rows of one page of hits. They were released before; those that are gone are missing.
SELECT id, document_id, version, ordinal, start_byte, end_byte, page, field, sealed_text
FROM passages
WHERE tenant_id = :tenant AND id = ANY(CAST(:passages AS bigint[]))
