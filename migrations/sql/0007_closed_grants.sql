-- Whoever holds a lease on a grant hears at once that it was closed, whatever closed it.
CREATE FUNCTION tell_of_closed_grants() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('strongroom', 'grants:' || NEW.tenant_id);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_closed_grants FROM PUBLIC;

CREATE TRIGGER tell_of_closed_grants AFTER UPDATE OF epoch ON grants
    FOR EACH ROW WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch)
    EXECUTE FUNCTION tell_of_closed_grants();
