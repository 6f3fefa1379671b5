-- Everything that must hold before anybody is served, as what does not hold: nothing, where all is
-- well. Tables come from the catalogue, not from a list: a table that someone forgot is the one that
-- matters. Only what the catalogue cannot know stands here: the application's role, and the triggers.
WITH application AS (
    SELECT oid FROM pg_roles WHERE rolname = :application
), tenant_table AS (
    SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = CAST('public' AS regnamespace)
), bound AS (  -- whoever is asking, and the roles of the service
    SELECT r.oid, r.rolname, r.rolsuper, r.rolbypassrls FROM pg_roles r
    WHERE r.rolname = current_user OR r.rolname = ANY (CAST(:roles AS name[]))
), policy AS (  -- that say yes to the application
    SELECT t.relname, p.polname, p.polcmd,
           coalesce(regexp_replace(pg_get_expr(p.polqual, p.polrelid), '\s', '', 'g'), '') AS seen,
           coalesce(regexp_replace(pg_get_expr(p.polwithcheck, p.polrelid), '\s', '', 'g'), '') AS made
    FROM pg_policy p JOIN tenant_table t ON t.oid = p.polrelid
    WHERE p.polpermissive AND EXISTS (
        SELECT FROM unnest(p.polroles) AS named (role), application a
        WHERE named.role = 0 OR pg_has_role(a.oid, named.role, 'MEMBER'))
), isolation AS (  -- of a policy, whatever version of PostgreSQL writes it out
    SELECT '^\(tenant_id=\(SELECT\(NULLIF\(current_setting\(''app\.tenant''::text,true\),'
           '''''::text\)\)::uuid(AS"?nullif"?)?\)\)$' AS form
), appended AS (
    SELECT * FROM (VALUES
        ('audit_checkpoints'), ('audit_cosignatures'), ('audit_events'), ('audit_failures'),
        ('audit_leaves'),
        ('audit_nodes'), ('audit_numbers'), ('audit_openings'), ('audit_resources'), ('audit_takes'),
        ('consent_events'), ('endings'), ('notices'), ('usage_ledger')) AS t (name)
), expected AS (
    SELECT name, 'append_only' AS trigger FROM appended
    UNION ALL SELECT * FROM (VALUES
        ('audit_events', 'queue_for_the_log'), ('client_secrets', 'note_ending'),
        ('collection_items', 'note_ending'), ('collections', 'note_ending'),
        ('consent_events', 'note_ending'), ('conversations', 'note_ending'),
        ('documents', 'delete_postings'), ('documents', 'note_ending'),
        ('grant_tokens', 'note_ending'),
        ('grants', 'hold_grant_within_its_parent'), ('grants', 'refuse_widening'),
        ('grants', 'tell_of_closed_grants'),
        ('messages', 'refuse_half_a_tombstone'), ('people', 'note_ending'),
        ('runs', 'call_the_next_run'),
        ('service_clients', 'note_ending'),
        ('share_links', 'note_ending'), ('share_links', 'refuse_redemption_back'),
        ('totp', 'refuse_earlier_step'),
        ('wrapping_keys', 'note_ending'), ('wrapping_keys', 'refuse_keys_of_the_erased')) AS t
)
SELECT 1 AS rank, format('the role %s is a superuser', rolname) AS finding FROM bound WHERE rolsuper
UNION ALL
SELECT 1, format('the role %s bypasses row-level security', rolname) FROM bound WHERE rolbypassrls
UNION ALL
SELECT 1, format('the role %s owns tables: %s of them, as %s', b.rolname, count(*), min(c.relname))
FROM bound b
JOIN pg_class c ON c.relowner = b.oid AND c.relkind IN ('r', 'p', 'v', 'm')
     AND c.relnamespace = CAST('public' AS regnamespace)
WHERE b.rolname <> :owner OR b.rolname = current_user
GROUP BY b.rolname
UNION ALL  -- to be a member is to be able to become it
SELECT 1, format('the role %s may become %s', b.rolname, r.rolname)
FROM bound b JOIN pg_roles r ON r.oid <> b.oid AND pg_has_role(b.oid, r.oid, 'MEMBER')
WHERE NOT b.rolsuper AND (r.rolsuper OR r.rolbypassrls OR EXISTS (
    SELECT FROM tenant_table t JOIN pg_class c ON c.oid = t.oid WHERE c.relowner = r.oid))
UNION ALL
SELECT 2, format('row-level security is not enabled and forced on %s', relname)
FROM tenant_table WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT 2, format('no policy keeps tenants apart on %s', t.relname) FROM tenant_table t
WHERE NOT EXISTS (SELECT FROM policy p WHERE p.relname = t.relname AND p.polcmd = '*')
UNION ALL
SELECT 2, format('the policy %s on %s lets the application see another tenant', p.polname, p.relname)
FROM policy p, isolation i
WHERE (p.seen !~ i.form AND p.polcmd <> 'a') OR (p.made <> '' AND p.made !~ i.form)
   OR (p.polcmd = 'a' AND p.made = '')
UNION ALL  -- of a view's owner, whose rights it has
SELECT DISTINCT 2, format('the view %s shows %s with its owner''s rights', v.relname, t.relname)
FROM pg_class v
JOIN pg_rewrite w ON w.ev_class = v.oid
JOIN pg_depend d ON d.classid = CAST('pg_rewrite' AS regclass) AND d.objid = w.oid
     AND d.refclassid = CAST('pg_class' AS regclass)
JOIN tenant_table t ON t.oid = d.refobjid
WHERE v.relkind = 'm' OR (v.relkind = 'v' AND NOT coalesce((
    SELECT CAST(o.option_value AS boolean) FROM pg_options_to_table(v.reloptions) o
    WHERE o.option_name = 'security_invoker'), false))
UNION ALL
SELECT 3, format('the application may read wrapped keys in %s', t.relname)
FROM tenant_table t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'wrapped', application r
WHERE t.relname IN ('data_keys', 'wrapping_keys')
  AND has_column_privilege(r.oid, t.oid, a.attnum, 'SELECT')
UNION ALL
SELECT 3, format('the application may change %s', t.relname) FROM tenant_table t, application r
WHERE (t.relname IN ('data_keys', 'wrapping_keys')
       AND has_any_column_privilege(r.oid, t.oid, 'UPDATE'))
   OR (t.relname = 'wrapping_keys' AND has_table_privilege(r.oid, t.oid, 'DELETE'))
   OR ((t.relname ~ '^(audit|consent)' OR t.relname IN (SELECT name FROM appended))
       AND (has_any_column_privilege(r.oid, t.oid, 'UPDATE')
            OR has_table_privilege(r.oid, t.oid, 'DELETE')))
UNION ALL
SELECT 3, format('the application itself may note which keys were taken')
FROM tenant_table t, application r
WHERE t.relname = 'audit_takes' AND has_any_column_privilege(r.oid, t.oid, 'INSERT')
UNION ALL
SELECT 3, 'the application may say which transaction wrote an event'
FROM tenant_table t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'transaction_id',
     application r
WHERE t.relname IN ('audit_events', 'audit_resources')
  AND has_column_privilege(r.oid, t.oid, a.attnum, 'INSERT')
GROUP BY r.oid
UNION ALL  -- which row-level security does not look at
SELECT 3, format('the application may %s %s', lower(p.privilege), t.relname)
FROM tenant_table t, application r, (VALUES ('TRUNCATE'), ('TRIGGER')) AS p (privilege)
WHERE has_table_privilege(r.oid, t.oid, p.privilege)
UNION ALL  -- and with it put something in the way of a function that has its owner's rights
SELECT 3, 'the application may create things in the schema public' FROM application r
WHERE has_schema_privilege(r.oid, 'public', 'CREATE')
UNION ALL
SELECT 3, format('anybody may call %s, which has its owner''s rights', proname) FROM pg_proc
WHERE pronamespace = CAST('public' AS regnamespace) AND prosecdef
  AND has_function_privilege('public', oid, 'EXECUTE')
UNION ALL
SELECT 4, format('the trigger %s on %s is missing or disabled', e.trigger, e.name) FROM expected e
WHERE NOT EXISTS (
    SELECT FROM pg_trigger g JOIN tenant_table t ON t.oid = g.tgrelid
    WHERE t.relname = e.name AND g.tgname = e.trigger AND g.tgenabled IN ('O', 'A'))
UNION ALL
SELECT 4, 'triggers do not fire in this session: session_replication_role is not origin'
WHERE current_setting('session_replication_role') <> 'origin'
ORDER BY rank, finding
