-- `dpv:MaintainHealthOfPerson` is in no release of the vocabulary. What a tenant chose stays.
-- Row-level security binds the owner of the table too: it would see no tenant's rows.
ALTER TABLE purposes NO FORCE ROW LEVEL SECURITY;
UPDATE purposes SET dpv_term = 'sector-health:ServiceProvision'
WHERE code = 'care' AND dpv_term = 'dpv:MaintainHealthOfPerson';
ALTER TABLE purposes FORCE ROW LEVEL SECURITY;
