-- Note the calls of one run in the ledger, and put what they took in the place of what the run had
-- reserved. Once: a call that is noted already moves nothing, nor does a reservation that is gone.
WITH gone AS (
    DELETE FROM reservations WHERE tenant_id = :tenant AND run_id = :run
    RETURNING tokens, cost_micros
), noted AS (
    INSERT INTO usage_ledger (
        tenant_id, run_id, number, person_id, purpose, model, outcome, day, input_tokens,
        cached_tokens, output_tokens, is_estimated, cost_micros, currency, first_piece_ms)
    SELECT :tenant, :run, c.number - 1 + :first_number, :person, :purpose, c.model, c.outcome, :day, c.input,
           c.cached, c.output, c.is_estimated, c.cost, :currency, c.first_piece_ms
    FROM unnest(CAST(:models AS text[]), CAST(:outcomes AS text[]), CAST(:inputs AS bigint[]),
                CAST(:cacheds AS bigint[]), CAST(:outputs AS bigint[]),
                CAST(:estimates AS boolean[]), CAST(:costs AS bigint[]),
                CAST(:first_pieces AS integer[])) WITH ORDINALITY
        AS c (model, outcome, input, cached, output, is_estimated, cost, first_piece_ms, number)
    ON CONFLICT DO NOTHING
    RETURNING input_tokens + output_tokens AS tokens, coalesce(cost_micros, 0) AS cost
), taken AS (
    SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(cost), 0) AS cost FROM noted
), back AS (
    SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(cost_micros), 0) AS cost FROM gone
)
INSERT INTO spending AS s (tenant_id, day, spender_id, tokens_spent, cost_micros_spent)
SELECT :tenant, :day, w.spender_id, t.tokens, t.cost
FROM taken t, back b,
     (VALUES (1, CAST(:person AS uuid)), (2, CAST(:tenant AS uuid))) AS w (place, spender_id)
WHERE t.tokens > 0 OR t.cost > 0 OR b.tokens > 0 OR b.cost > 0
ORDER BY w.place
ON CONFLICT (tenant_id, day, spender_id) DO UPDATE
SET tokens_spent = s.tokens_spent + excluded.tokens_spent,
    cost_micros_spent = s.cost_micros_spent + excluded.cost_micros_spent,
    tokens_reserved = s.tokens_reserved - (SELECT tokens FROM back),
    cost_micros_reserved = s.cost_micros_reserved - (SELECT cost FROM back)
