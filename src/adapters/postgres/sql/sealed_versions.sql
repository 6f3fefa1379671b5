-- The sealed versions that this person may search now, for this purpose, and that fit within a
-- bound: the newest documents first. At least one row comes back; `visible` counts them all.
--
-- A record that was granted in part counts as :part_passages, however large it is: otherwise it
-- would tell, at the bound, of fields that may not be seen.
WITH
/* visible sealed */
), found AS MATERIALIZED (
    SELECT document_id, version, passage_count FROM own
    UNION ALL
    SELECT document_id, version, CASE WHEN fields IS NULL THEN passage_count ELSE :part_passages END
    FROM shared
), placed AS (
    SELECT document_id, version, row_number() OVER newest AS place,
           sum(passage_count) OVER newest AS passages
    FROM found WHERE passage_count <= :passages_max
    WINDOW newest AS (ORDER BY document_id DESC ROWS UNBOUNDED PRECEDING)
)
SELECT (SELECT count(*) FROM found) AS visible, p.document_id, p.version,
       (SELECT d.weight FROM documents d WHERE d.tenant_id = :tenant AND d.id = p.document_id) AS weight
FROM (SELECT) AS always
LEFT JOIN placed p ON p.place <= :documents_max AND p.passages <= :passages_max
