-- What people typed has a door of its own; evidence does not go through it.
CREATE OR REPLACE FUNCTION take_own_keys(resources uuid[])
RETURNS TABLE (resource_id uuid, kind text, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_key_version integer, subject_wrapped bytea,
               tenant_key_id uuid, tenant_key_version integer, tenant_wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.resource_id, k.kind, k.owner_id, k.id, k.wrapped,
           s.id, s.version, s.wrapped, t.id, t.version, t.wrapped
    FROM data_keys k
    JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
    JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = s.wrapping_key_id
    WHERE k.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid
      AND k.owner_id = nullif(current_setting('app.person', true), '')::uuid
      AND k.kind NOT IN ('content', 'evidence')
      AND k.resource_id = ANY (resources)
$$;

-- The log of checkpoints is a log like the others, of a tenant that has no people.
SELECT set_config('app.tenant', '00000000-0000-0000-0000-000000000000', true);
INSERT INTO tenants (tenant_id, name)
VALUES ('00000000-0000-0000-0000-000000000000', '.checkpoints');

CREATE FUNCTION checkpoint_event(tenant uuid, size bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT substring(encode(sha256(convert_to(tenant || '/' || size, 'UTF8')), 'hex') FOR 32)::uuid
$$;

-- The newest checkpoint of each log that is not in the log of checkpoints yet, for the one that
-- writes them there.
CREATE FUNCTION checkpoints_to_log()
RETURNS TABLE (tenant_id uuid, size bigint, root bytea, event_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.tenant_id, c.size, c.root, checkpoint_event(c.tenant_id, c.size)
    FROM tenants t
    CROSS JOIN LATERAL (SELECT * FROM audit_checkpoints a WHERE a.tenant_id = t.tenant_id
                        ORDER BY a.size DESC LIMIT 1) c
    WHERE t.tenant_id <> '00000000-0000-0000-0000-000000000000'
      AND NOT EXISTS (SELECT 1 FROM audit_events e
                      WHERE e.tenant_id = '00000000-0000-0000-0000-000000000000'
                        AND e.id = checkpoint_event(c.tenant_id, c.size))
    LIMIT 1000
$$;

-- Where the log of checkpoints tells of the asking tenant's newest checkpoint that it has.
CREATE FUNCTION logged_checkpoint() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT l.event_id
    FROM audit_checkpoints c
    JOIN audit_leaves l ON l.tenant_id = '00000000-0000-0000-0000-000000000000'
         AND l.event_id = checkpoint_event(c.tenant_id, c.size)
    WHERE c.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid
    ORDER BY c.size DESC LIMIT 1
$$;

-- These functions look past the row-level security of the tables' owner.
CREATE POLICY owner_functions ON audit_checkpoints FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON audit_events FOR SELECT TO CURRENT_USER USING (
    tenant_id = '00000000-0000-0000-0000-000000000000');
CREATE POLICY owner_functions ON audit_leaves FOR SELECT TO CURRENT_USER USING (
    tenant_id = '00000000-0000-0000-0000-000000000000');

REVOKE ALL ON FUNCTION checkpoint_event, checkpoints_to_log, logged_checkpoint FROM PUBLIC;
GRANT EXECUTE ON FUNCTION checkpoints_to_log, logged_checkpoint TO strongroom_app;
