-- The branches of a conversation: each message that nothing follows, how many are on the path to it,
-- and the last of them that something else follows, too.
WITH RECURSIVE lasts AS MATERIALIZED (
    SELECT m.* FROM messages m
    WHERE m.tenant_id = :tenant AND m.conversation_id = :conversation AND m.sequence > :after
      AND EXISTS (SELECT FROM conversations c
                  WHERE c.tenant_id = :tenant AND c.id = :conversation AND c.owner_id = :person)
      AND NOT EXISTS (SELECT FROM messages f WHERE f.tenant_id = :tenant AND f.parent_id = m.id)
    ORDER BY m.sequence
    LIMIT :branches_max
), path AS (
    SELECT l.id AS last_id, l.id, l.parent_id, 1 AS steps FROM lasts l
    UNION ALL
    SELECT p.last_id, m.id, m.parent_id, p.steps + 1
    FROM path p JOIN messages m ON m.tenant_id = :tenant AND m.id = p.parent_id
), lengths AS (
    SELECT last_id, max(steps) AS length FROM path GROUP BY last_id
), partings AS (
    SELECT DISTINCT ON (p.last_id) p.last_id, p.id FROM path p
    WHERE (SELECT count(*) FROM (SELECT FROM messages f
                                 WHERE f.tenant_id = :tenant AND f.parent_id = p.id
                                 LIMIT 2) AS following) = 2
    ORDER BY p.last_id, p.steps
)
SELECT l.*, r.id AS run_id, n.length, a.id AS parted_after,
       l.id = coalesce(c.selected_id,
                       (SELECT m.id FROM messages m
                        WHERE m.tenant_id = :tenant AND m.conversation_id = :conversation
                        ORDER BY m.sequence DESC LIMIT 1)) AS is_selected
FROM lasts l
JOIN conversations c ON c.tenant_id = :tenant AND c.id = :conversation
JOIN lengths n ON n.last_id = l.id
LEFT JOIN partings a ON a.last_id = l.id
LEFT JOIN runs r ON r.tenant_id = :tenant AND r.answer_id = l.id
ORDER BY l.sequence
