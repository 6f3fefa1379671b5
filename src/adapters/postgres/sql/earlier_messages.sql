-- The last messages before a question, as far as they may go into a prompt: no answer that was
-- taken back, none that rests on a grant which is no longer open.
SELECT m.id, m.role, m.sealed_content
FROM messages m
LEFT JOIN runs r ON r.tenant_id = m.tenant_id AND r.answer_id = m.id
WHERE m.tenant_id = :tenant AND m.conversation_id = :conversation AND m.sequence < :before
  AND m.sealed_content IS NOT NULL AND m.tombstone IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM run_sources s
      JOIN grants g ON g.tenant_id = s.tenant_id AND g.id = s.grant_id
      WHERE s.tenant_id = :tenant AND s.run_id = r.id
        AND (g.revoked_at IS NOT NULL OR clock_timestamp() < g.not_before
             OR clock_timestamp() >= g.expires_at))
ORDER BY m.sequence DESC
LIMIT :messages_max
