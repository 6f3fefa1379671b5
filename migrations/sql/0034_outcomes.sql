-- What ending a consent did, in ids and numbers: its receipt can be signed later, and again.
ALTER TABLE consent_events ADD COLUMN outcome jsonb;
