-- Releases and denials of several readers, in a transaction of this statement alone; returns those that
-- were left out. See migration 0030.
SELECT record_releases(
    CAST(:tenant AS uuid), CAST(:events AS uuid[]), CAST(:types AS text[]),
    CAST(:ats AS timestamptz[]), CAST(:actors AS uuid[]), CAST(:actions AS text[]),
    CAST(:purposes AS text[]), CAST(:policy_versions AS text[]), CAST(:actor_commitments AS bytea[]),
    CAST(:body_commitments AS bytea[]), CAST(:body_salts AS bytea[]), CAST(:body_keys AS uuid[]),
    CAST(:sealed_bodies AS bytea[]),
    CAST(:resource_events AS uuid[]), CAST(:documents AS uuid[]), CAST(:versions AS integer[]),
    CAST(:grants AS uuid[]), CAST(:epochs AS integer[]), CAST(:consents AS uuid[]),
    CAST(:commitments AS bytea[]), CAST(:evidence_commitments AS bytea[]), CAST(:salts AS bytea[]),
    CAST(:keys AS uuid[]), CAST(:sealed_evidence AS bytea[]),
    CAST(:document_events AS uuid[]), CAST(:held_documents AS uuid[]),
    CAST(:item_events AS uuid[]), CAST(:held_collections AS uuid[]), CAST(:held_items AS uuid[]),
    CAST(:grant_events AS uuid[]), CAST(:held_grants AS uuid[]), CAST(:held_epochs AS integer[])
) AS left_out
