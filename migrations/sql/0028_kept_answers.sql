-- What a tenant does with finished answers when the consent that they rest on is withdrawn: hide
-- them, as where there is no row, or keep them for whoever was answered, on a lawful basis.
CREATE TABLE withdrawal_policies (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    answers text NOT NULL CHECK (answers IN ('hide', 'keep')),
    lawful_basis text CHECK (lawful_basis IN ('contract', 'legal_obligation', 'vital_interests',
                                              'public_task', 'legitimate_interests')),
    reference text CHECK (char_length(reference) BETWEEN 1 AND 200),
    set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((answers = 'keep') = (lawful_basis IS NOT NULL)),
    CHECK ((answers = 'keep') = (reference IS NOT NULL))
);
CALL isolate_tenant_table('withdrawal_policies');
GRANT SELECT, INSERT ON withdrawal_policies TO strongroom_app;
GRANT UPDATE (answers, lawful_basis, reference, set_at) ON withdrawal_policies TO strongroom_app;

-- Of an answer that was kept: since when, and on which basis. The last withdrawal says it.
ALTER TABLE messages
    ADD COLUMN kept_at timestamptz,
    ADD COLUMN kept_basis text,
    ADD COLUMN kept_reference text;
