-- The messages on the path from the first question to the one that names the branch, in order.
WITH RECURSIVE path AS (
    SELECT m.id, m.parent_id FROM messages m
    WHERE m.tenant_id = :tenant AND m.conversation_id = :conversation AND m.id = :branch
      AND EXISTS (SELECT FROM conversations c
                  WHERE c.tenant_id = :tenant AND c.id = :conversation AND c.owner_id = :person)
    UNION ALL
    SELECT m.id, m.parent_id
    FROM path p JOIN messages m ON m.tenant_id = :tenant AND m.id = p.parent_id
)
SELECT m.*, r.id AS run_id,
       (SELECT max(g.required_acr) FROM run_sources s
        JOIN grants g ON g.tenant_id = s.tenant_id AND g.id = s.grant_id
        WHERE s.tenant_id = :tenant AND s.run_id = r.id) AS required_acr
FROM path p
JOIN messages m ON m.tenant_id = :tenant AND m.id = p.id
LEFT JOIN runs r ON r.tenant_id = :tenant AND r.answer_id = m.id
WHERE m.sequence > :after
ORDER BY m.sequence
LIMIT :messages_max
