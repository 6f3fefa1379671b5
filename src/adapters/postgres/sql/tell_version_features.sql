    -- From now on this version is what is searched, as what it now is.
    INSERT INTO version_features
        (tenant_id, owner_id, document_id, number, version, source, language, passage_count)
    SELECT :tenant, :owner, :document,
           1 + (SELECT count(*) FROM version_features f
                WHERE f.tenant_id = :tenant AND f.owner_id = :owner AND f.document_id = :document),
           v.version, v.media_type, v.language, v.passage_count
    FROM versions v
    WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version
