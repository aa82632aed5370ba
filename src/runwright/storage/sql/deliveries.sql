-- insert --
-- Accepts a Delivery.
INSERT INTO deliveries (id, project_id, run_id, job_run_id, kind, target, sealed_sink, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- get --
-- One Delivery.
SELECT * FROM deliveries WHERE id = $1;

-- begin_try --
-- Takes up a pending Delivery for one try, under a new fence. Where it was sent again meanwhile, an older entry comes
-- before its time, or finds that the newer one has put it off: two entries end as one.
UPDATE deliveries
SET fence = fence + 1, tries = tries + 1,
    first_try_at = coalesce(first_try_at, clock_timestamp())
WHERE id = $1 AND status = 'pending'
    AND (next_try_at IS NULL OR next_try_at <= clock_timestamp() + interval '1 second')
RETURNING *;

-- end_try --
-- Keeps how a try went and what follows, under its fence; tells when the next one is. Where that was said before and
-- not heard, it is kept once and told again.
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
-- Sends a Delivery again, perhaps elsewhere: a new window begins.
UPDATE deliveries
SET status = 'pending', ended_at = NULL, first_try_at = NULL, failures = 0, next_try_at = NULL,
    fence = fence + 1, sealed_sink = coalesce($2, sealed_sink), target = coalesce($3, target)
WHERE id = $1
RETURNING *;

-- tries --
-- The tries of a Delivery, in order.
SELECT * FROM delivery_tries WHERE delivery_id = $1 ORDER BY number;

-- page --
-- Deliveries of a project, newest first, from a cursor on.
SELECT * FROM deliveries
WHERE project_id = $1
    AND ($2::text IS NULL OR run_id = $2)
    AND ($3::text IS NULL OR job_run_id = $3)
    AND ($4::text IS NULL OR status = $4)
    AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6))
ORDER BY created_at DESC, id DESC
LIMIT $7;

-- unfinished --
-- Deliveries that are pending and did not come just now; some at a time, those after the given one.
SELECT id, project_id, fence, created_at FROM deliveries
WHERE status = 'pending' AND created_at < statement_timestamp() - interval '3 seconds'
    AND (created_at, id) > (coalesce($1::timestamptz, '-infinity'), coalesce($2::text, ''))
ORDER BY created_at, id
LIMIT $3;

-- of_run --
-- The Deliveries of a Run.
SELECT * FROM deliveries WHERE run_id = $1 ORDER BY created_at, id;

-- add_secret --
-- Keeps a secret that webhooks of a project are signed with.
INSERT INTO webhook_secrets (id, project_id, sealed_secret) VALUES ($1, $2, $3);

-- secrets --
-- The secrets of a project that sign at present, the newest first.
SELECT * FROM webhook_secrets
WHERE project_id = $1 AND (valid_until IS NULL OR valid_until > clock_timestamp())
ORDER BY valid_until IS NULL DESC, created_at DESC;

-- retire_secrets --
-- Lets the secrets of a project sign along for a while and no longer.
UPDATE webhook_secrets SET valid_until = clock_timestamp() + $2
WHERE project_id = $1 AND valid_until IS NULL;
