-- Reserve for one run, of the person's day and of the tenant's, where both still have so much. The
-- conditions stand in the UPDATE itself, so that no race can pass between looking and taking. The
-- person's row is taken before the tenant's, here and wherever both are changed.
-- Returns whether each of them had it: whoever asks rolls back where one of them had not.
WITH person AS (
    INSERT INTO spending AS s (tenant_id, day, spender_id, tokens_reserved, cost_micros_reserved)
    SELECT :tenant, :day, :person, :tokens, :cost
    WHERE coalesce(:tokens <= CAST(:person_tokens_max AS bigint), true)
      AND coalesce(:cost <= CAST(:person_cost_max AS bigint), true)
    ON CONFLICT (tenant_id, day, spender_id) DO UPDATE
    SET tokens_reserved = s.tokens_reserved + excluded.tokens_reserved,
        cost_micros_reserved = s.cost_micros_reserved + excluded.cost_micros_reserved
    WHERE coalesce(s.tokens_spent + s.tokens_reserved + excluded.tokens_reserved
                   <= CAST(:person_tokens_max AS bigint), true)
      AND coalesce(s.cost_micros_spent + s.cost_micros_reserved + excluded.cost_micros_reserved
                   <= CAST(:person_cost_max AS bigint), true)
    RETURNING 1
), tenant AS (
    INSERT INTO spending AS s (tenant_id, day, spender_id, tokens_reserved, cost_micros_reserved)
    SELECT :tenant, :day, :tenant, :tokens, :cost FROM person
    WHERE coalesce(:tokens <= CAST(:tenant_tokens_max AS bigint), true)
      AND coalesce(:cost <= CAST(:tenant_cost_max AS bigint), true)
    ON CONFLICT (tenant_id, day, spender_id) DO UPDATE
    SET tokens_reserved = s.tokens_reserved + excluded.tokens_reserved,
        cost_micros_reserved = s.cost_micros_reserved + excluded.cost_micros_reserved
    WHERE coalesce(s.tokens_spent + s.tokens_reserved + excluded.tokens_reserved
                   <= CAST(:tenant_tokens_max AS bigint), true)
      AND coalesce(s.cost_micros_spent + s.cost_micros_reserved + excluded.cost_micros_reserved
                   <= CAST(:tenant_cost_max AS bigint), true)
    RETURNING 1
), reserved AS (
    INSERT INTO reservations (tenant_id, run_id, person_id, purpose, model, day, tokens, cost_micros)
    SELECT :tenant, :run, :person, :purpose, :model, :day, :tokens, :cost FROM tenant
)
SELECT EXISTS (SELECT FROM person) AS person_had_it, EXISTS (SELECT FROM tenant) AS tenant_had_it
