-- The second factor: one-time codes by time (RFC 6238), and how sure a session is of its person.

ALTER TABLE sessions
    ADD COLUMN acr text NOT NULL DEFAULT 'pwd' CONSTRAINT sessions_acr_check CHECK (acr IN ('pwd', 'mfa')),
    ADD COLUMN auth_time timestamptz NOT NULL DEFAULT clock_timestamp();
-- Row-level security binds the owner of the table too: it would see no tenant's rows.
ALTER TABLE sessions NO FORCE ROW LEVEL SECURITY;
UPDATE sessions SET auth_time = created_at;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;

-- How sure it must be who somebody is before they give access to a document.
ALTER TABLE documents ADD COLUMN approval_acr text NOT NULL DEFAULT 'pwd'
    CONSTRAINT documents_approval_acr_check CHECK (approval_acr IN ('pwd', 'mfa'));

CREATE TABLE totp (
    tenant_id uuid NOT NULL,
    person_id uuid NOT NULL,
    id uuid NOT NULL,             -- of this setting-up; its data key is kept under it
    sealed_secret bytea NOT NULL,
    last_step bigint NOT NULL DEFAULT 0,   -- the latest time step whose code was accepted
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_at timestamptz,     -- NULL: pending, nothing is asked for yet
    PRIMARY KEY (tenant_id, person_id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES people
);

CREATE TABLE recovery_codes (
    tenant_id uuid NOT NULL,
    person_id uuid NOT NULL,
    code_hash bytea NOT NULL,     -- SHA-256
    used_at timestamptz,
    PRIMARY KEY (tenant_id, person_id, code_hash),
    FOREIGN KEY (tenant_id, person_id) REFERENCES totp ON DELETE CASCADE
);

-- A step that was used stays used: no statement of the application takes it back.
CREATE FUNCTION refuse_earlier_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = OLD.id AND NEW.last_step < OLD.last_step THEN
        RAISE EXCEPTION 'a time step that was used stays used'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'totp_last_step_check';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_earlier_step BEFORE UPDATE ON totp
    FOR EACH ROW EXECUTE FUNCTION refuse_earlier_step();
REVOKE ALL ON FUNCTION refuse_earlier_step FROM PUBLIC;

CALL isolate_tenant_table('totp');
CALL isolate_tenant_table('recovery_codes');
GRANT SELECT, INSERT, UPDATE, DELETE ON totp TO strongroom_app;
GRANT SELECT, INSERT, UPDATE (used_at) ON recovery_codes TO strongroom_app;

ALTER TABLE data_keys DROP CONSTRAINT data_keys_kind_check;
ALTER TABLE data_keys ADD CONSTRAINT data_keys_kind_check
    CHECK (kind IN ('content', 'metadata', 'conversation', 'collection', 'evidence', 'totp'));
