-- The last messages before a question on its path, as far as they may go into a prompt: no answer
-- that was taken back, none that was kept after a withdrawal (it is there to be read again, and for
-- nothing new), none that rests on a grant which is no longer open, or which is for another purpose
-- than this question's: consent to the one is none to the other; and none that rests on a grant
-- which demands more of its reader than the session that asks has shown. Each row says how many there
-- are before the question in all, as far as one looks back; where none may go, there is a row without.
WITH RECURSIVE path AS (
    SELECT m.id, m.parent_id, m.sequence, m.role, m.sealed_content, m.tombstone, m.kept_at,
           1 AS steps
    FROM messages m
    WHERE m.tenant_id = :tenant AND m.conversation_id = :conversation
      AND m.id = CAST(:parent AS uuid)
    UNION ALL
    SELECT m.id, m.parent_id, m.sequence, m.role, m.sealed_content, m.tombstone, m.kept_at,
           p.steps + 1
    FROM path p JOIN messages m ON m.tenant_id = :tenant AND m.id = p.parent_id
    WHERE p.steps < :steps_max
), readable AS (
    SELECT m.id, m.role, m.sealed_content, m.sequence
    FROM path m
    LEFT JOIN runs r ON r.tenant_id = :tenant AND m.role = 'assistant' AND r.answer_id = m.id
    WHERE m.sealed_content IS NOT NULL AND m.tombstone IS NULL AND m.kept_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM run_sources s
          JOIN grants g ON g.tenant_id = s.tenant_id AND g.id = s.grant_id
          WHERE s.tenant_id = :tenant AND s.run_id = r.id
            AND (g.revoked_at IS NOT NULL OR clock_timestamp() < g.not_before
                 OR clock_timestamp() >= g.expires_at OR g.purpose <> :purpose
                 OR g.required_acr <> :acr))
    ORDER BY m.sequence DESC
    LIMIT :messages_max
)
SELECT counted.messages, readable.id, readable.role, readable.sealed_content
FROM (SELECT count(*) AS messages FROM path) AS counted
LEFT JOIN readable ON true
ORDER BY readable.sequence
