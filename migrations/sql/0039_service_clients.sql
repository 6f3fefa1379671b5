-- Service clients: principals of their own, with no person behind them. Of `people` each has a row of kind
-- 'client' (0002), so that it is given things, decided on and logged like anybody.
CREATE TABLE service_clients (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,                 -- of its row of `people`, too
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES people,
    FOREIGN KEY (tenant_id, created_by) REFERENCES people
);

-- Two at the same time, while one takes the place of the other.
CREATE TABLE client_secrets (
    tenant_id uuid NOT NULL,
    secret_hash bytea NOT NULL,       -- HMAC-SHA256 under a key of the key service
    client_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,           -- NULL: as long as the client is in force
    PRIMARY KEY (tenant_id, secret_hash),
    FOREIGN KEY (tenant_id, client_id) REFERENCES service_clients
);
CREATE INDEX client_secrets_client_idx ON client_secrets (tenant_id, client_id);

CALL isolate_tenant_table('service_clients');
CALL isolate_tenant_table('client_secrets');
CALL keep_no_samples('client_secrets');
GRANT SELECT, INSERT, UPDATE (revoked_at, last_used_at) ON service_clients TO strongroom_app;
GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON client_secrets TO strongroom_app;

-- A backup brings back neither a client that was revoked nor a secret that was replaced.
ALTER TABLE endings DROP CONSTRAINT endings_kind_check;
ALTER TABLE endings ADD CONSTRAINT endings_kind_check CHECK (kind IN (
    'client', 'client_secret', 'collection', 'collection_item', 'consent', 'conversation', 'document',
    'key_version', 'link', 'person', 'token'));

CREATE TRIGGER note_ending AFTER UPDATE OF revoked_at ON service_clients FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION note_ending('client', 'id', 'id', '');

CREATE FUNCTION note_client_secret_ending() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO endings (tenant_id, kind, what, by_id)
    VALUES (NEW.tenant_id, 'client_secret', encode(NEW.secret_hash, 'hex'), NEW.client_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_ending AFTER UPDATE OF expires_at ON client_secrets FOR EACH ROW
    WHEN (OLD.expires_at IS NULL AND NEW.expires_at IS NOT NULL)
    EXECUTE FUNCTION note_client_secret_ending();
REVOKE ALL ON FUNCTION note_client_secret_ending FROM PUBLIC;
