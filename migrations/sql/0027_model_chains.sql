-- Which models a tenant has chosen for a task, by their names in the settings of the deployment. A
-- tenant without a row uses all of them; one that is named here and not there any more is skipped.
CREATE TABLE model_chains (
    tenant_id uuid NOT NULL REFERENCES tenants,
    task text NOT NULL,
    models text[] NOT NULL,       -- in the order in which they are tried; none: only quoting
    PRIMARY KEY (tenant_id, task)
);

CALL isolate_tenant_table('model_chains');
GRANT SELECT, INSERT, UPDATE, DELETE ON model_chains TO strongroom_app;
