-- insert --
-- Inserts a Delivery.
INSERT INTO deliveries (id, project_id, run_id, job_run_id, kind, target, sealed_sink, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- get --
-- One Delivery.
SELECT * FROM deliveries WHERE id = $1;

-- begin_try --
-- Claims a pending Delivery for one try, under a new fence. If it was sent again in the meantime, an older entry
-- comes early, or finds that the newer one has postponed the try: two entries merge into one.
UPDATE deliveries
SET fence = fence + 1, tries = tries + 1,
    first_try_at = coalesce(first_try_at, clock_timestamp())
WHERE id = $1 AND status = 'pending'
    AND (next_try_at IS NULL OR next_try_at <= clock_timestamp() + interval '1 second')
RETURNING *;

-- end_try --
-- Records the outcome of a try and what follows, under its fence; returns when the next try is due. If the same was
-- already recorded but the response was lost, it is stored once and the answer is repeated.
WITH ended AS (
    UPDATE deliveries
    SET status = $8, next_try_at = $9, failures = failures + CASE WHEN $8 = 'delivered' THEN 0 ELSE 1 END,
        ended_at = CASE WHEN $8 = 'pending' THEN NULL ELSE clock_timestamp() END
    WHERE id = $1 AND fence = $2 AND status = 'pending'
        AND NOT EXISTS (SELECT FROM delivery_tries WHERE delivery_id = $1 AND number = deliveries.tries)
    RETURNING id, tries, next_try_at
), kept AS (
    INSERT INTO delivery_tries (delivery_id, number, at, duration, status_code, answer, error)
    SELECT id, tries, $3, $4, $5, $6, $7 FROM ended
)
SELECT next_try_at FROM ended, pg_notify('runwright', 'delivery:' || ended.id)
UNION ALL
SELECT next_try_at FROM deliveries
WHERE id = $1 AND fence = $2 AND status = 'pending'
    AND EXISTS (SELECT FROM delivery_tries WHERE delivery_id = $1 AND number = deliveries.tries);

-- renew --
-- Sends a Delivery again, possibly elsewhere: a new window begins.
UPDATE deliveries
SET status = 'pending', ended_at = NULL, first_try_at = NULL, failures = 0, next_try_at = NULL,
    fence = fence + 1, sealed_sink = coalesce($2, sealed_sink), target = coalesce($3, target)
WHERE id = $1
RETURNING *;

-- tries --
-- The tries of a Delivery, in order.
SELECT * FROM delivery_tries WHERE delivery_id = $1 ORDER BY number;

-- page --
-- The Deliveries of a project, newest first, following a cursor.
SELECT * FROM deliveries
WHERE project_id = $1
    AND ($2::text IS NULL OR run_id = $2)
    AND ($3::text IS NULL OR job_run_id = $3)
    AND ($4::text IS NULL OR status = $4)
    AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6))
ORDER BY created_at DESC, id DESC
LIMIT $7;

-- unfinished --
-- Pending Deliveries that were not created just now; a batch at a time, following the given one.
SELECT id, project_id, fence, created_at FROM deliveries
WHERE status = 'pending' AND created_at < statement_timestamp() - interval '3 seconds'
    AND (created_at, id) > (coalesce($1::timestamptz, '-infinity'), coalesce($2::text, ''))
ORDER BY created_at, id
LIMIT $3;

-- of_run --
-- The Deliveries of a Run.
SELECT * FROM deliveries WHERE run_id = $1 ORDER BY created_at, id;

-- add_secret --
-- Inserts a secret that signs a project's webhooks.
INSERT INTO webhook_secrets (id, project_id, sealed_secret) VALUES ($1, $2, $3);

-- secrets --
-- The secrets of a project that currently sign, newest first.
SELECT * FROM webhook_secrets
WHERE project_id = $1 AND (valid_until IS NULL OR valid_until > clock_timestamp())
ORDER BY valid_until IS NULL DESC, created_at DESC;

-- retire_secrets --
-- Lets the secrets of a project keep signing for a while, and no longer.
UPDATE webhook_secrets SET valid_until = clock_timestamp() + $2
WHERE project_id = $1 AND valid_until IS NULL;
