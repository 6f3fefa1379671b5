-- What witnesses signed: that a checkpoint continues all that they saw before.

CREATE TABLE audit_cosignatures (
    tenant_id uuid NOT NULL,
    size bigint NOT NULL,
    witness text NOT NULL,        -- the name of its key, and the key's id in hexadecimal
    at timestamptz NOT NULL,      -- as the witness says
    line text NOT NULL,           -- as it stands under the note
    PRIMARY KEY (tenant_id, size, witness),
    -- A witness may know a checkpoint that we do not: then we were rolled back, and say so.
    CONSTRAINT audit_cosignatures_checkpoint_fkey
        FOREIGN KEY (tenant_id, size) REFERENCES audit_checkpoints
);

CALL isolate_tenant_table('audit_cosignatures');
GRANT SELECT, INSERT ON audit_cosignatures TO strongroom_app;
GRANT SELECT ON audit_cosignatures TO strongroom_auditor;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
