-- Of all that follows a message, at whatever distance, the one that was written last; or itself.
WITH RECURSIVE under AS (
    SELECT m.id, m.sequence FROM messages m
    WHERE m.tenant_id = :tenant AND m.conversation_id = :conversation AND m.id = :message
    UNION ALL
    SELECT m.id, m.sequence
    FROM under u JOIN messages m ON m.tenant_id = :tenant AND m.parent_id = u.id
)
SELECT id FROM under ORDER BY sequence DESC LIMIT 1
