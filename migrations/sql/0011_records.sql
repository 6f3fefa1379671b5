-- Records: each version follows one version of a schema, and each passage of a record stands for
-- one of its fields.

ALTER TABLE versions
    ADD COLUMN schema_name text,
    ADD COLUMN schema_version integer,
    ADD CONSTRAINT versions_schema_check CHECK ((schema_name IS NULL) = (schema_version IS NULL)),
    ADD CONSTRAINT versions_schema_fkey FOREIGN KEY (tenant_id, schema_name, schema_version)
        REFERENCES schema_versions (tenant_id, name, version);
CREATE INDEX versions_schema_idx ON versions (tenant_id, schema_name, schema_version)
    WHERE schema_name IS NOT NULL;

-- The JSON Pointer of the field; NULL in documents. `lexeme_count` lets a search count what those
-- may see who may see some fields only.
ALTER TABLE passages
    ADD COLUMN field text,
    ADD COLUMN lexeme_count integer NOT NULL DEFAULT 0;
