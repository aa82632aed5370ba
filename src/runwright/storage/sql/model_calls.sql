-- lock --
-- Serializes access to the remaining budgets until the transaction ends.
SELECT pg_advisory_xact_lock($1);

-- standing --
-- What was spent on a Run, on its project today and on everything today, and what is reserved in addition.
WITH today AS (
    SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS day
)
SELECT
    (SELECT coalesce(sum(usd), 0) FROM model_usage WHERE run_id = $1) AS run_spent,
    (SELECT coalesce(sum(reserved_usd), 0) FROM model_calls WHERE run_id = $1) AS run_reserved,
    coalesce(sum(usd) FILTER (WHERE project_id = $2), 0) AS project_spent,
    (SELECT coalesce(sum(reserved_usd), 0) FROM model_calls WHERE project_id = $2) AS project_reserved,
    coalesce(sum(usd), 0) AS day_spent,
    (SELECT coalesce(sum(reserved_usd), 0) FROM model_calls) AS day_reserved
FROM today LEFT JOIN model_spending USING (day);

-- begin --
-- Inserts a call that is in progress.
INSERT INTO model_calls (
    run_id, project_id, provider, model, price_name, reserved_usd, input_tokens, usd, day, held_until
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, (clock_timestamp() AT TIME ZONE 'UTC')::date,
    clock_timestamp() + $9::interval
)
RETURNING id;

-- note --
-- Records a call's usage so far, and extends the call by an interval; a negative interval ends it.
UPDATE model_calls
SET is_failed = $2, is_estimated = $3, input_tokens = $4, cached_tokens = $5, written_tokens = $6,
    output_tokens = $7, usd = $8, price_name = $9, held_until = clock_timestamp() + $10::interval
WHERE id = $1;

-- count_ended --
-- Accounts for calls that have ended or whose server is gone: on their Runs, days and metrics.
-- A Run that keeps naming new models gets a limited number of rows, and one for the rest.
WITH ended AS (
    DELETE FROM model_calls WHERE held_until < statement_timestamp() RETURNING *
), grouped AS (
    SELECT run_id, provider,
        CASE WHEN (
            SELECT count(*) >= $1 AND bool_and(known.model <> ended.model)
            FROM model_usage AS known WHERE known.run_id = ended.run_id
        ) THEN '(others)' ELSE model END AS model,
        count(*) AS calls,
        count(*) FILTER (WHERE is_failed) AS failed_calls,
        count(*) FILTER (WHERE is_estimated) AS estimated_calls,
        count(*) FILTER (WHERE price_name IS NULL AND NOT is_failed) AS unpriced_calls,
        sum(input_tokens) AS input_tokens, sum(cached_tokens) AS cached_tokens,
        sum(written_tokens) AS written_tokens, sum(output_tokens) AS output_tokens,
        sum(usd) AS usd
    FROM ended JOIN runs ON runs.id = run_id
    GROUP BY 1, 2, 3
), used AS (
    INSERT INTO model_usage AS known (
        run_id, provider, model, calls, failed_calls, estimated_calls, unpriced_calls,
        input_tokens, cached_tokens, written_tokens, output_tokens, usd
    )
    SELECT * FROM grouped ORDER BY run_id, provider, model
    ON CONFLICT (run_id, provider, model) DO UPDATE SET
        calls = known.calls + excluded.calls,
        failed_calls = known.failed_calls + excluded.failed_calls,
        estimated_calls = known.estimated_calls + excluded.estimated_calls,
        unpriced_calls = known.unpriced_calls + excluded.unpriced_calls,
        input_tokens = known.input_tokens + excluded.input_tokens,
        cached_tokens = known.cached_tokens + excluded.cached_tokens,
        written_tokens = known.written_tokens + excluded.written_tokens,
        output_tokens = known.output_tokens + excluded.output_tokens,
        usd = known.usd + excluded.usd
), spent AS (
    INSERT INTO model_spending AS known (day, project_id, usd)
    SELECT day, project_id, sum(usd) FROM ended WHERE usd > 0 GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (day, project_id) DO UPDATE SET usd = known.usd + excluded.usd
)
-- A model without a price can have any name, so it must not become a metric label.
SELECT runwright_count(counted.name, concat_ws(':', provider, label, counted.kind), counted.value)
FROM ended, LATERAL (
    SELECT replace(coalesce(price_name, 'other'), ':', '_') AS label
) AS named, LATERAL (VALUES
    ('model_calls', CASE WHEN is_failed THEN 'failed' ELSE 'answered' END, 1::double precision),
    ('model_tokens', 'input', (input_tokens - cached_tokens - written_tokens)::double precision),
    ('model_tokens', 'cached', cached_tokens::double precision),
    ('model_tokens', 'cache_write', written_tokens::double precision),
    ('model_tokens', 'output', output_tokens::double precision),
    ('model_usd', NULL, usd::double precision)
) AS counted (name, kind, value)
WHERE counted.value > 0;

-- of_run --
-- A Run's usage, most expensive model first.
SELECT * FROM model_usage WHERE run_id = $1 ORDER BY usd DESC, input_tokens + output_tokens DESC, provider, model;

-- spent_today --
-- What all Runs have spent today.
SELECT coalesce(sum(usd), 0) FROM model_spending WHERE day = (statement_timestamp() AT TIME ZONE 'UTC')::date;

-- forget_spending --
-- Deletes spending of days long past.
DELETE FROM model_spending WHERE day < (statement_timestamp() AT TIME ZONE 'UTC')::date - $1::integer;
