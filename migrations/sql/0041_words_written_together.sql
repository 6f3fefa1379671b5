-- Words are cut by other rules than before (`analysis` 2), so what was indexed is done anew. The
-- function of before stays for processes of the previous release, and is served by the same index.
DROP INDEX documents_analysis_idx;
CREATE INDEX documents_analysis_idx ON documents (tenant_id, id)
    WHERE searchable_version IS NOT NULL AND index_mode = 'clear' AND analysis < 2;

CREATE FUNCTION documents_analysed_before_2()
RETURNS TABLE (tenant_id uuid, owner_id uuid, document_id uuid, version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT d.tenant_id, d.owner_id, d.id, d.searchable_version FROM documents d
    WHERE d.searchable_version IS NOT NULL AND d.index_mode = 'clear' AND d.analysis < 2
      AND d.searchable_version = d.current_version
    LIMIT 100
$$;
REVOKE ALL ON FUNCTION documents_analysed_before_2 FROM PUBLIC;
GRANT EXECUTE ON FUNCTION documents_analysed_before_2 TO strongroom_app;
