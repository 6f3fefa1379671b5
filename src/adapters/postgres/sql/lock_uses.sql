-- Hold the grants whose uses are about to be counted, with those they come from, in the order of
-- ids. What may be spent is judged by the next statement, which begins once these are held.
SELECT g.id FROM grants g
WHERE g.tenant_id = :tenant AND g.id = ANY(:links) AND g.is_counted
ORDER BY g.id
FOR NO KEY UPDATE
