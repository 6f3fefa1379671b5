-- Which release it is that failed, for whoever lists releases.
INSERT INTO audit_failures (tenant_id, release_id, event_id, reason)
VALUES (:tenant, :release, :event, :reason)
