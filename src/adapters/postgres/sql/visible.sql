-- What this person may search now, for this purpose: parts of other statements, which say
-- /* visible */ in their WITH. `own` and `shared` are versions with the statistics of their passages;
-- of a record that was granted in part, `fields` says which. Of sealed documents the same is asked
-- with `/* visible sealed */`, which puts that word for 'clear'.
own AS MATERIALIZED (
    SELECT d.id AS document_id, d.searchable_version AS version, d.passage_count, d.lexeme_count,
           d.configuration
    FROM documents d
    WHERE d.tenant_id = :tenant AND d.owner_id = :person
      AND d.searchable_version IS NOT NULL AND d.index_mode = 'clear' AND :everything
    UNION ALL
    -- One plan is for both: where documents are named, the owner's others are not read.
    SELECT d.id, d.searchable_version, d.passage_count, d.lexeme_count, d.configuration
    FROM unnest(CAST(:documents AS uuid[])) AS n (id)
    CROSS JOIN LATERAL (
        SELECT d.* FROM documents d WHERE d.tenant_id = :tenant AND d.id = n.id
        OFFSET 0
    ) d
    WHERE NOT :everything AND d.owner_id = :person
      AND d.searchable_version IS NOT NULL AND d.index_mode = 'clear'
), permitted AS MATERIALIZED (
    SELECT g.id, g.owner_id, g.resource_kind, g.resource_id, g.versions, g.fields
    FROM grants g
    WHERE g.tenant_id = :tenant AND g.grantee_id = :person AND g.owner_id <> :person
      AND g.purpose = :purpose AND :action = ANY(g.actions) AND g.revoked_at IS NULL
      AND g.not_before <= clock_timestamp() AND clock_timestamp() < g.expires_at
      AND (g.required_acr IS NULL OR g.required_acr = :acr)
      AND (SELECT e.event_state FROM consent_events e
           WHERE e.tenant_id = :tenant AND e.consent_id = g.consent_id
           ORDER BY e.seq DESC LIMIT 1) IN ('given', 'renewed')
      AND (NOT g.is_counted OR NOT EXISTS (
           SELECT 1 FROM grants c
           WHERE c.tenant_id = :tenant AND c.id = ANY(g.ancestors || g.id)
             AND (c.uses_left = 0 OR (c.interval_left = 0 AND clock_timestamp()
                  < c.interval_started_at + make_interval(secs => c.interval_seconds)))))
), granted AS MATERIALIZED (
    SELECT d.owner_id, d.document_id, d.version, d.passage_count, d.lexeme_count, d.configuration,
           CASE WHEN NOT bool_or(g.fields IS NULL) THEN
               coalesce(array_agg(f.pointer) FILTER (WHERE f.pointer IS NOT NULL), '{}')
           END AS fields
    FROM (
        SELECT p.owner_id, p.resource_id AS document_id, p.versions, p.fields FROM permitted p
        WHERE p.resource_kind <> 'collection'
        UNION ALL
        SELECT p.owner_id, i.document_id, NULL, NULL FROM permitted p
        CROSS JOIN LATERAL (
            SELECT i.document_id FROM collection_items i
            WHERE i.tenant_id = :tenant AND i.collection_id = p.resource_id
            OFFSET 0
        ) i
        WHERE p.resource_kind = 'collection'
    ) g
    CROSS JOIN LATERAL (
        -- By its key and nothing else: by any other index the owner's other documents were read.
        SELECT d.owner_id, d.id AS document_id, d.searchable_version AS version, d.index_mode,
               d.passage_count, d.lexeme_count, d.configuration
        FROM documents d
        WHERE d.tenant_id = :tenant AND d.id = g.document_id
        OFFSET 0
    ) d
    LEFT JOIN LATERAL (SELECT unnest(g.fields) AS pointer OFFSET 0) f ON true
    WHERE (:everything OR d.document_id = ANY(CAST(:documents AS uuid[])))
      AND d.owner_id = g.owner_id AND d.version IS NOT NULL AND d.index_mode = 'clear'
      AND (g.versions IS NULL OR d.version = ANY(g.versions))
    GROUP BY d.owner_id, d.document_id, d.version, d.passage_count, d.lexeme_count, d.configuration
), shared AS MATERIALIZED (
    SELECT owner_id, document_id, version, fields, configuration, passage_count, lexeme_count
    FROM granted WHERE fields IS NULL
    UNION ALL
    -- Of a record that was granted in part, the other fields are not even counted.
    SELECT g.owner_id, g.document_id, g.version, g.fields, g.configuration, c.passage_count,
           c.lexeme_count
    FROM granted g
    CROSS JOIN LATERAL (
        SELECT count(*) AS passage_count, coalesce(sum(p.lexeme_count), 0) AS lexeme_count
        FROM passages p
        WHERE p.tenant_id = :tenant AND p.document_id = g.document_id
          AND p.version = g.version AND fields_covered(g.fields, ARRAY[p.field])
    ) c
    WHERE g.fields IS NOT NULL
