-- Grants in full: records and collections, fields, versions, intervals, assurance, onward sharing.

-- What 0001 does for its tables in a loop, for one that comes later.
CREATE PROCEDURE isolate_tenant_table(name regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
        'CREATE POLICY tenant_isolation ON %s
         USING (tenant_id = (SELECT nullif(current_setting(''app.tenant'', true), '''')::uuid))
         WITH CHECK (tenant_id = (SELECT nullif(current_setting(''app.tenant'', true), '''')::uuid))', name);
END
$$;
REVOKE ALL ON PROCEDURE isolate_tenant_table FROM PUBLIC;

-- Who a grant can be given to beside people: a link is a grantee of its own, so is an agent or a
-- client. None of them has a password; they act through opaque tokens alone.
ALTER TABLE people ADD COLUMN kind text NOT NULL DEFAULT 'person'
    CONSTRAINT people_kind_check CHECK (kind IN ('person', 'client', 'agent', 'link'));

-- A record is what the vault holds beside files, and lives like one.
ALTER TABLE documents ADD COLUMN kind text NOT NULL DEFAULT 'document'
    CONSTRAINT documents_kind_check CHECK (kind IN ('document', 'record'));

-- Collections ------------------------------------------------------------------------------

CREATE TABLE collections (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    sealed_title bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT collections_owner_key UNIQUE (tenant_id, owner_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES people
);

-- owner_id is in both foreign keys: nobody's collection holds somebody else's document.
CREATE TABLE collection_items (
    tenant_id uuid NOT NULL,
    collection_id uuid NOT NULL,
    document_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, collection_id, document_id),
    FOREIGN KEY (tenant_id, owner_id, collection_id)
        REFERENCES collections (tenant_id, owner_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, owner_id, document_id)
        REFERENCES documents (tenant_id, owner_id, id) ON DELETE CASCADE
);
CREATE INDEX collection_items_document_idx ON collection_items (tenant_id, document_id);

CALL isolate_tenant_table('collections');
CALL isolate_tenant_table('collection_items');
GRANT SELECT, INSERT, UPDATE (sealed_title), DELETE ON collections TO strongroom_app;
-- UPDATE on one column, so that a reader may hold the row FOR KEY SHARE: taking a document out of
-- a collection then waits for readers in flight, as a revocation does.
GRANT SELECT, INSERT, UPDATE (added_at), DELETE ON collection_items TO strongroom_app;

ALTER TABLE data_keys DROP CONSTRAINT data_keys_kind_check;
ALTER TABLE data_keys ADD CONSTRAINT data_keys_kind_check
    CHECK (kind IN ('content', 'metadata', 'conversation', 'collection'));

CREATE OR REPLACE FUNCTION take_own_keys(resources uuid[])
RETURNS TABLE (resource_id uuid, kind text, owner_id uuid, key_id uuid,
               wrapped bytea, subject_key_id uuid, subject_wrapped bytea,
               tenant_key_id uuid, tenant_wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.resource_id, k.kind, k.owner_id, k.id, k.wrapped, s.id, s.wrapped, t.id, t.wrapped
    FROM data_keys k
    JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
    JOIN LATERAL (SELECT w.id, w.wrapped FROM wrapping_keys w
                  WHERE w.tenant_id = k.tenant_id AND w.subject_id IS NULL
                  ORDER BY w.version DESC LIMIT 1) t ON true
    WHERE k.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid
      AND k.owner_id = nullif(current_setting('app.person', true), '')::uuid
      AND k.kind IN ('metadata', 'conversation', 'collection')
      AND k.resource_id = ANY (resources)
$$;

-- Consents ----------------------------------------------------------------------------------

-- A consent to onward sharing rests on the consent that allowed it.
ALTER TABLE consents ADD COLUMN parent_id uuid;
ALTER TABLE consents ADD CONSTRAINT consents_parent_fkey
    FOREIGN KEY (tenant_id, parent_id) REFERENCES consents;
ALTER TABLE consents NO FORCE ROW LEVEL SECURITY;  -- as below: the owner would see no rows
UPDATE consents SET record = record || jsonb_build_object(
    'pii_information', jsonb_build_array(jsonb_build_object(
        'kind', 'document', 'id', record ->> 'pii_information', 'fields', NULL, 'versions', NULL)),
    'pii_controllers', jsonb_build_array('Strongroom'))
WHERE jsonb_typeof(record -> 'pii_information') = 'string';
ALTER TABLE consents FORCE ROW LEVEL SECURITY;

-- Until when it holds from this event on; NULL where it does not hold.
ALTER TABLE consent_events ADD COLUMN valid_until timestamptz;
CREATE INDEX consent_events_valid_until_idx ON consent_events (valid_until)
    WHERE valid_until IS NOT NULL;

-- What has run out lately and was not told so: ids alone, for the sweep that appends the event.
CREATE FUNCTION consents_run_out() RETURNS TABLE (tenant_id uuid, consent_id uuid, pii_principal_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.tenant_id, e.consent_id, c.pii_principal_id
    FROM consent_events e
    JOIN consents c ON c.tenant_id = e.tenant_id AND c.id = e.consent_id
    WHERE e.valid_until BETWEEN clock_timestamp() - interval '30 days' AND clock_timestamp()
      AND NOT EXISTS (SELECT 1 FROM consent_events l
                      WHERE l.tenant_id = e.tenant_id AND l.consent_id = e.consent_id AND l.seq > e.seq)
    LIMIT 100
$$;
REVOKE ALL ON FUNCTION consents_run_out FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consents_run_out TO strongroom_app;
CREATE POLICY owner_functions ON consent_events FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_functions ON consents FOR SELECT TO CURRENT_USER USING (true);
-- A renewal is told to both sides again, so a side may hold several receipts of one consent.
ALTER TABLE consent_receipts DROP CONSTRAINT consent_receipts_pkey;
ALTER TABLE consent_receipts ADD PRIMARY KEY (tenant_id, consent_id, party_id, id);

-- Grants ------------------------------------------------------------------------------------

ALTER TABLE grants DROP CONSTRAINT grants_resource_kind_check;
ALTER TABLE grants
    ADD CONSTRAINT grants_resource_kind_check
        CHECK (resource_kind IN ('document', 'record', 'collection')),
    ADD COLUMN owner_id uuid,            -- whose thing it is; the grantor, unless shared onward
    ADD COLUMN parent_id uuid,
    ADD COLUMN ancestors uuid[] NOT NULL DEFAULT '{}',   -- the parent last
    ADD COLUMN fields text[],            -- JSON Pointers; NULL: everything
    ADD COLUMN versions integer[],       -- NULL: every version, later ones too
    ADD COLUMN interval_uses integer CONSTRAINT grants_interval_uses_check CHECK (interval_uses > 0),
    ADD COLUMN interval_seconds integer CONSTRAINT grants_interval_seconds_check CHECK (interval_seconds > 0),
    ADD COLUMN interval_started_at timestamptz,          -- of the interval that is being counted
    ADD COLUMN interval_left integer CONSTRAINT grants_interval_left_check CHECK (interval_left >= 0),
    ADD COLUMN retention_seconds bigint CONSTRAINT grants_retention_check CHECK (retention_seconds >= 0),
    ADD COLUMN required_acr text CONSTRAINT grants_required_acr_check CHECK (required_acr IN ('mfa')),
    -- Whether a release under it spends a use, its own or one of an ancestor's.
    ADD COLUMN is_counted boolean;

-- Row-level security binds the owner of the table too: it would see no tenant's rows.
ALTER TABLE grants NO FORCE ROW LEVEL SECURITY;
UPDATE grants SET owner_id = grantor_id, is_counted = max_uses IS NOT NULL;
ALTER TABLE grants FORCE ROW LEVEL SECURITY;

ALTER TABLE grants
    ALTER COLUMN owner_id SET NOT NULL,
    ALTER COLUMN is_counted SET NOT NULL,
    ADD CONSTRAINT grants_parent_fkey FOREIGN KEY (tenant_id, parent_id) REFERENCES grants,
    ADD CONSTRAINT grants_owner_fkey FOREIGN KEY (tenant_id, owner_id) REFERENCES people,
    ADD CONSTRAINT grants_fields_check
        CHECK (fields IS NULL OR (fields <> '{}' AND resource_kind = 'record')),
    ADD CONSTRAINT grants_versions_check CHECK (versions <> '{}'),
    ADD CONSTRAINT grants_interval_check CHECK (
        (interval_uses IS NULL) = (interval_seconds IS NULL)
        AND (interval_uses IS NOT NULL OR interval_left IS NULL) AND interval_left <= interval_uses);
CREATE INDEX grants_ancestors_idx ON grants USING gin (ancestors);

-- Whether every asked pointer is a granted one, or lies below one. NULL stands for everything.
CREATE FUNCTION fields_covered(granted text[], asked text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT granted IS NULL OR (asked IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM unnest(asked) a WHERE NOT EXISTS (
            SELECT 1 FROM unnest(granted) g WHERE a = g OR starts_with(a, g || '/'))))
$$;

-- A grant given onward is never wider than the one it comes from. The domain says so to whoever
-- asks; here it holds whatever code asks. The ancestors are locked, the eldest first, so that a
-- revocation under way is waited for, and one that comes later finds this grant.
CREATE FUNCTION hold_grant_within_its_parent() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    parent grants;
BEGIN
    IF NEW.parent_id IS NULL THEN
        NEW.owner_id := coalesce(NEW.owner_id, NEW.grantor_id);
        NEW.ancestors := '{}';
        NEW.is_counted := NEW.max_uses IS NOT NULL OR NEW.interval_uses IS NOT NULL;
        IF NEW.owner_id <> NEW.grantor_id THEN
            RAISE EXCEPTION 'only the owner grants without a parent'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'grants_within_parent_check';
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO parent FROM grants g
    WHERE g.tenant_id = NEW.tenant_id AND g.id = NEW.parent_id;
    PERFORM 1 FROM grants g
    WHERE g.tenant_id = NEW.tenant_id AND g.id = ANY (parent.ancestors || parent.id)
    ORDER BY g.id FOR SHARE;
    SELECT * INTO parent FROM grants g
    WHERE g.tenant_id = NEW.tenant_id AND g.id = NEW.parent_id;
    NEW.owner_id := parent.owner_id;
    NEW.ancestors := parent.ancestors || parent.id;
    NEW.is_counted := parent.is_counted OR NEW.max_uses IS NOT NULL OR NEW.interval_uses IS NOT NULL;
    IF NOT coalesce(
        parent.revoked_at IS NULL
        AND clock_timestamp() < parent.expires_at
        AND 'share' = ANY (parent.actions)
        AND NEW.grantor_id = parent.grantee_id
        AND NEW.grantee_id <> parent.owner_id
        AND cardinality(NEW.ancestors) <= 8
        AND NEW.resource_kind = parent.resource_kind AND NEW.resource_id = parent.resource_id
        AND NEW.actions <@ parent.actions
        AND NEW.purpose = parent.purpose
        AND fields_covered(parent.fields, NEW.fields)
        AND (parent.versions IS NULL OR NEW.versions <@ parent.versions)
        AND NEW.not_before >= parent.not_before AND NEW.expires_at <= parent.expires_at
        AND (parent.max_uses IS NULL OR NEW.max_uses <= parent.max_uses)
        AND (parent.interval_uses IS NULL
             OR (NEW.interval_uses <= parent.interval_uses
                 AND NEW.interval_seconds >= parent.interval_seconds))
        AND (parent.retention_seconds IS NULL OR NEW.retention_seconds <= parent.retention_seconds)
        AND (parent.required_acr IS NULL OR NEW.required_acr = parent.required_acr), false)
    THEN
        RAISE EXCEPTION 'a grant is never wider than the one it comes from'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'grants_within_parent_check';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER hold_grant_within_its_parent BEFORE INSERT ON grants
    FOR EACH ROW EXECUTE FUNCTION hold_grant_within_its_parent();

-- A grant only ever gets narrower: what is revoked stays revoked, uses are spent and not given
-- back, and no term changes. This binds the owner of the table too.
CREATE FUNCTION refuse_widening() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.epoch < OLD.epoch
       OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
       OR NEW.uses_left > OLD.uses_left OR (OLD.uses_left IS NULL) <> (NEW.uses_left IS NULL)
       OR (NEW.interval_left > OLD.interval_left AND clock_timestamp()
           < OLD.interval_started_at + make_interval(secs => OLD.interval_seconds))
       OR (to_jsonb(NEW) - ARRAY['epoch', 'revoked_at', 'uses_left', 'interval_left', 'interval_started_at'])
          IS DISTINCT FROM
          (to_jsonb(OLD) - ARRAY['epoch', 'revoked_at', 'uses_left', 'interval_left', 'interval_started_at'])
    THEN
        RAISE EXCEPTION 'a grant does not get wider, nor does it change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'grants_narrowing_check';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_widening BEFORE UPDATE ON grants
    FOR EACH ROW EXECUTE FUNCTION refuse_widening();

REVOKE ALL ON FUNCTION fields_covered, hold_grant_within_its_parent, refuse_widening FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fields_covered TO strongroom_app;
GRANT UPDATE (interval_started_at, interval_left) ON grants TO strongroom_app;
