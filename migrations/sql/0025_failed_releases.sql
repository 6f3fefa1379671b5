-- Which release a failure is of: each fails at most once. The leaf commits to the same, in evidence
-- that is sealed to the documents; here it is what accesses are listed with. `reason` is a code.
CREATE TABLE audit_failures (
    tenant_id uuid NOT NULL,
    release_id uuid NOT NULL,
    event_id uuid NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, release_id),
    FOREIGN KEY (tenant_id, release_id) REFERENCES audit_events,
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events
);

CALL isolate_tenant_table('audit_failures');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_failures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
GRANT SELECT, INSERT ON audit_failures TO strongroom_app;
GRANT SELECT ON audit_failures TO strongroom_auditor;
