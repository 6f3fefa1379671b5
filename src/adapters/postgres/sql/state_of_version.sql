-- How far a version has come. Asked after begin_attempt and not with it: what whoever held the row
-- before us made of the version is seen by the next statement only.
SELECT state FROM versions
WHERE tenant_id = :tenant AND document_id = :document AND version = :version
