-- Administrators of a tenant keep its registry of purposes. A code is never taken away: grants and
-- consents name it.
GRANT INSERT ON purposes TO strongroom_app;
GRANT UPDATE (title, dpv_term) ON purposes TO strongroom_app;
