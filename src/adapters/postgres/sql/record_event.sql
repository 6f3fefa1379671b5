-- One event of the log, in the transaction that it tells about.
SELECT record_event(
    CAST(:tenant AS uuid), CAST(:event AS uuid), CAST(:type AS text), CAST(:at AS timestamptz),
    CAST(:actor AS uuid), CAST(:action AS text), CAST(:purpose AS text), CAST(:policy_version AS text),
    CAST(:actor_commitment AS bytea), CAST(:body_commitment AS bytea), CAST(:salt AS bytea),
    CAST(:body AS jsonb), CAST(:body_key AS uuid), CAST(:sealed_body AS bytea),
    CAST(:documents AS uuid[]), CAST(:versions AS integer[]), CAST(:grants AS uuid[]),
    CAST(:epochs AS integer[]), CAST(:consents AS uuid[]), CAST(:commitments AS bytea[]),
    CAST(:evidence_commitments AS bytea[]), CAST(:salts AS bytea[]), CAST(:keys AS uuid[]),
    CAST(:sealed_evidence AS bytea[]))
