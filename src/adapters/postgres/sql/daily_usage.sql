-- What each model took on each day, latest first, of one person or (person NULL) of everybody.
SELECT l.day, l.model, l.currency,
       count(*) FILTER (WHERE l.outcome = 'answered') AS answers,
       count(*) FILTER (WHERE l.outcome <> 'answered') AS failed_calls,
       sum(l.input_tokens)::bigint AS input_tokens, sum(l.cached_tokens)::bigint AS cached_tokens,
       sum(l.output_tokens)::bigint AS output_tokens,
       coalesce(sum(l.cost_micros), 0)::bigint AS cost_micros,
       count(*) FILTER (WHERE l.cost_micros IS NULL) AS unpriced_calls
FROM usage_ledger l
WHERE l.tenant_id = :tenant
  AND (CAST(:person AS uuid) IS NULL OR l.person_id = :person)
  AND l.day >= CAST(:since AS date) AND l.day < CAST(:until AS date)
  AND (CAST(:after_day AS date) IS NULL OR l.day < :after_day
       OR (l.day = :after_day AND (l.model, l.currency) > (:after_model, :after_currency)))
GROUP BY l.day, l.model, l.currency
ORDER BY l.day DESC, l.model, l.currency
LIMIT :row_limit
