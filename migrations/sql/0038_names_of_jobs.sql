-- A job has a name of its own, a UUID of version 7: the number that the queue gives it would tell one tenant
-- how many jobs all others have. And it says whose tenant's it is, so that its administrator finds it.
UPDATE pgqueuer
SET headers = coalesce(headers, '{}') || jsonb_build_object(
        'tenant_id', convert_from(payload, 'UTF8')::jsonb ->> 'tenant_id',
        'job_id', overlay(overlay(gen_random_uuid()::text PLACING
                      lpad(to_hex((extract(epoch FROM created) * 1000)::bigint >> 16), 8, '0') FROM 1 FOR 8)
                      PLACING lpad(to_hex((extract(epoch FROM created) * 1000)::bigint & 65535), 4, '0') || '-7'
                      FROM 10 FOR 6))
WHERE payload IS NOT NULL AND NOT coalesce(headers, '{}') ? 'job_id';

CREATE INDEX pgqueuer_tenant_idx
    ON pgqueuer (((headers ->> 'tenant_id')::uuid), ((headers ->> 'job_id')::uuid) DESC);
