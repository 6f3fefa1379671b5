-- Share links and grant tokens. A link is a grantee of its own: what is done through it is decided,
-- released and logged as what people do.

CREATE TABLE share_links (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,                 -- of the grantee, too
    grant_id uuid NOT NULL,
    creator_id uuid NOT NULL,
    token_hash bytea NOT NULL,        -- SHA-256
    pass_code_hash text,              -- Argon2id; NULL: none is asked for
    redemptions_max integer NOT NULL CONSTRAINT share_links_max_check CHECK (redemptions_max > 0),
    redemptions_left integer NOT NULL CONSTRAINT share_links_left_check
        CHECK (redemptions_left BETWEEN 0 AND redemptions_max),
    attempts_left integer NOT NULL CONSTRAINT share_links_attempts_check CHECK (attempts_left >= 0),
    refused_count integer NOT NULL DEFAULT 0,     -- how often somebody came who could not redeem it
    refused_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT share_links_token_key UNIQUE (tenant_id, token_hash),
    CONSTRAINT share_links_grant_key UNIQUE (tenant_id, grant_id),
    FOREIGN KEY (tenant_id, id) REFERENCES people,
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants,
    FOREIGN KEY (tenant_id, creator_id) REFERENCES people
);
CREATE INDEX share_links_creator_idx ON share_links (tenant_id, creator_id, id);

CREATE TABLE grant_tokens (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL,        -- SHA-256
    grant_id uuid NOT NULL,
    person_id uuid NOT NULL,          -- the grantee in whose name it acts
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants,
    FOREIGN KEY (tenant_id, person_id) REFERENCES people
);
CREATE INDEX grant_tokens_grant_idx ON grant_tokens (tenant_id, grant_id);

CALL isolate_tenant_table('share_links');
CALL isolate_tenant_table('grant_tokens');
GRANT SELECT, INSERT, UPDATE (redemptions_left, attempts_left, refused_count, refused_at)
    ON share_links TO strongroom_app;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON grant_tokens TO strongroom_app;

-- What was redeemed stays redeemed: no statement of the application gives a redemption back.
CREATE FUNCTION refuse_redemption_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.redemptions_left > OLD.redemptions_left THEN
        RAISE EXCEPTION 'a redemption is not given back'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'share_links_narrowing_check';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_redemption_back BEFORE UPDATE ON share_links
    FOR EACH ROW EXECUTE FUNCTION refuse_redemption_back();
REVOKE ALL ON FUNCTION refuse_redemption_back FROM PUBLIC;
