-- A grant that began in the year 1 was stored as one that always held, and read back as a time without
-- an offset, which nothing can be compared with: whoever had received it could neither search nor leave.
ALTER TABLE grants NO FORCE ROW LEVEL SECURITY;  -- the owner would see no rows
ALTER TABLE grants DISABLE TRIGGER refuse_widening;
UPDATE grants SET not_before = '1970-01-01T00:00:00Z' WHERE NOT isfinite(not_before);
ALTER TABLE grants ENABLE TRIGGER refuse_widening;
ALTER TABLE grants FORCE ROW LEVEL SECURITY;
ALTER TABLE grants ADD CONSTRAINT grants_finite_check CHECK (isfinite(not_before) AND isfinite(expires_at));
