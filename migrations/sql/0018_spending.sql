-- What answers take: a ledger that only grows, what is spent and reserved in a day, and what runs
-- have reserved. Ids, names of models and numbers; nothing of what was asked.

CREATE TABLE usage_ledger (
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,         -- without a foreign key: the ledger outlives what is deleted
    number integer NOT NULL,      -- of the call within its run
    person_id uuid NOT NULL,
    purpose text NOT NULL,
    model text NOT NULL,
    outcome text NOT NULL,        -- answered, or why not
    day date NOT NULL,            -- on which it was asked, in UTC; its prices hold
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    input_tokens bigint NOT NULL CONSTRAINT usage_ledger_input_check CHECK (input_tokens >= 0),
    cached_tokens bigint NOT NULL CONSTRAINT usage_ledger_cached_check
        CHECK (cached_tokens BETWEEN 0 AND input_tokens),
    output_tokens bigint NOT NULL CONSTRAINT usage_ledger_output_check CHECK (output_tokens >= 0),
    is_estimated boolean NOT NULL,
    cost_micros bigint CONSTRAINT usage_ledger_cost_check CHECK (cost_micros >= 0),
    currency text NOT NULL,
    first_piece_ms integer,
    PRIMARY KEY (tenant_id, run_id, number),
    FOREIGN KEY (tenant_id, person_id) REFERENCES people
);
CREATE INDEX usage_ledger_person_idx ON usage_ledger (tenant_id, person_id, day);
CREATE INDEX usage_ledger_day_idx ON usage_ledger (tenant_id, day);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

CREATE TABLE spending (
    tenant_id uuid NOT NULL REFERENCES tenants,
    day date NOT NULL,
    spender_id uuid NOT NULL,     -- a person, or the tenant itself: everybody in it
    tokens_spent bigint NOT NULL DEFAULT 0,
    tokens_reserved bigint NOT NULL DEFAULT 0,
    cost_micros_spent bigint NOT NULL DEFAULT 0,
    cost_micros_reserved bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day, spender_id),
    CONSTRAINT spending_amounts_check CHECK (
        tokens_spent >= 0 AND tokens_reserved >= 0
        AND cost_micros_spent >= 0 AND cost_micros_reserved >= 0)
);

CREATE TABLE reservations (       -- what a run may take, until it is settled
    tenant_id uuid NOT NULL,
    run_id uuid NOT NULL,         -- without a foreign key: a run that is deleted is settled, too
    person_id uuid NOT NULL,
    purpose text NOT NULL,
    model text NOT NULL,
    day date NOT NULL,
    tokens bigint NOT NULL CONSTRAINT reservations_tokens_check CHECK (tokens >= 0),
    cost_micros bigint NOT NULL CONSTRAINT reservations_cost_check CHECK (cost_micros >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, run_id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES people
);
CREATE INDEX reservations_created_idx ON reservations (created_at);

CALL isolate_tenant_table('usage_ledger');
CALL isolate_tenant_table('spending');
CALL isolate_tenant_table('reservations');
GRANT SELECT, INSERT ON usage_ledger TO strongroom_app;
GRANT SELECT, INSERT, UPDATE ON spending TO strongroom_app;
GRANT SELECT, INSERT, DELETE ON reservations TO strongroom_app;

-- For the sweeper, across tenants: what runs that are over, or gone, have left reserved. A process
-- settles a moment after a run has ended, so that it is given a minute.
CREATE FUNCTION abandoned_reservations() RETURNS TABLE (
    tenant_id uuid, run_id uuid, person_id uuid, purpose text, model text, day date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT v.tenant_id, v.run_id, v.person_id, v.purpose, v.model, v.day
    FROM reservations v LEFT JOIN runs r ON r.tenant_id = v.tenant_id AND r.id = v.run_id
    WHERE v.created_at < clock_timestamp() - interval '1 minute'
      AND (r.id IS NULL OR r.ended_at < clock_timestamp() - interval '1 minute')
    LIMIT 100
$$;
CREATE POLICY owner_functions ON reservations FOR SELECT TO CURRENT_USER USING (true);
REVOKE ALL ON FUNCTION abandoned_reservations FROM PUBLIC;
GRANT EXECUTE ON FUNCTION abandoned_reservations TO strongroom_app;
