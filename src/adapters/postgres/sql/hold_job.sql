-- A job of a tenant: nobody takes or ends it before this transaction is over.
SELECT id, CAST(status AS text) AS status, entrypoint, payload FROM pgqueuer
WHERE CAST(headers ->> 'tenant_id' AS uuid) = :tenant AND CAST(headers ->> 'job_id' AS uuid) = :job
FOR UPDATE
