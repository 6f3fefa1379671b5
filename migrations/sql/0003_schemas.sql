-- Schemas of records. They are no content: whoever is in the tenant may see them.

CREATE TABLE schemas (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    owner_id uuid NOT NULL,       -- who made the first version
    current_version integer NOT NULL,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES people
);

CREATE TABLE schema_versions (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    body text NOT NULL,           -- JSON, as it was declared
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name, version),
    FOREIGN KEY (tenant_id, name) REFERENCES schemas
);

CALL isolate_tenant_table('schemas');
CALL isolate_tenant_table('schema_versions');

-- A version never changes: records were checked against it.
GRANT SELECT, INSERT ON schemas, schema_versions TO strongroom_app;
GRANT UPDATE (current_version) ON schemas TO strongroom_app;
