-- insert --
-- Inserts a new JobRun; one that never begins is inserted already ended.
INSERT INTO job_runs (
    id, workspace_id, project_id, job_id, deployment_id, type, status, configuration, session_plan,
    sealed_secrets, auth_session_id, is_session_good, firing, reason, idempotency_key,
    request_sha256, payloads, successful_runs, failed_runs, ended_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
    CASE WHEN $17::integer IS NOT NULL THEN 0 END, CASE WHEN $17::integer IS NOT NULL THEN 0 END,
    CASE WHEN $7 = 'CANCELED' THEN clock_timestamp() END)
RETURNING *;

-- get --
-- One JobRun, with figures from its items.
SELECT job_runs.*, items.* FROM job_runs CROSS JOIN LATERAL (
    SELECT count(*) AS items, count(*) FILTER (WHERE runs.status = 'completed') AS completed,
        count(*) FILTER (WHERE runs.status IN ('failed', 'canceled') AND runs.turn IS NOT NULL) AS fallen
    FROM runs WHERE runs.job_run_id = job_runs.id AND job_runs.payloads IS NULL
) AS items
WHERE job_runs.id = $1;

-- find --
-- One JobRun, without figures from its items.
SELECT * FROM job_runs WHERE id = $1;

-- lock --
-- One JobRun, locked until the transaction ends.
SELECT * FROM job_runs WHERE id = $1 FOR UPDATE;

-- active_of_job --
-- The unfinished JobRun of a Job.
SELECT id FROM job_runs WHERE project_id = $1 AND job_id = $2 AND ended_at IS NULL;

-- active_of_jobs --
-- The unfinished JobRuns of these Jobs.
SELECT job_runs.project_id, job_runs.job_id, job_runs.id
FROM unnest($1::uuid[], $2::text[]) AS wanted (project_id, job_id)
JOIN job_runs ON job_runs.project_id = wanted.project_id AND job_runs.job_id = wanted.job_id
WHERE job_runs.ended_at IS NULL;

-- holder_of_session --
-- The Job whose JobRun holds an AuthSession.
SELECT job_id FROM job_runs
WHERE project_id = $1 AND auth_session_id = $2 AND ended_at IS NULL;

-- find_idempotent --
-- The JobRun that a key started within the last day.
SELECT * FROM job_runs
WHERE project_id = $1 AND job_id = $2 AND idempotency_key = $3
    AND created_at > clock_timestamp() - interval '24 hours';

-- forget_idempotency_key --
-- Releases a key that is older than a day.
UPDATE job_runs SET idempotency_key = NULL
WHERE project_id = $1 AND job_id = $2 AND idempotency_key = $3
    AND created_at <= clock_timestamp() - interval '24 hours';

-- page --
-- JobRuns of a Job in the order that is substituted, each with figures from its items.
SELECT job_runs.*, items.* FROM job_runs CROSS JOIN LATERAL (
    SELECT count(*) AS items, count(*) FILTER (WHERE runs.status = 'completed') AS completed,
        count(*) FILTER (WHERE runs.status IN ('failed', 'canceled') AND runs.turn IS NOT NULL) AS fallen
    FROM runs WHERE runs.job_run_id = job_runs.id AND job_runs.payloads IS NULL
) AS items
WHERE job_runs.project_id = $1 AND job_runs.job_id = $2 AND job_runs.created_at >= $3
ORDER BY {order}, job_runs.created_at DESC, job_runs.id DESC
LIMIT $4 OFFSET $5;

-- total --
-- The number of a Job's JobRuns.
SELECT count(*) FROM job_runs WHERE project_id = $1 AND job_id = $2 AND created_at >= $3;

-- wait_for --
-- Makes a locked JobRun wait for an operation on its AuthSession.
UPDATE job_runs SET waits_for = $2, updated_at = clock_timestamp() WHERE id = $1;

-- stand --
-- Sets the status of a locked JobRun that has not ended, with a reason if there is one.
UPDATE job_runs
SET status = $2, reason = $3, is_session_good = $4, waits_for = NULL, updated_at = clock_timestamp()
WHERE id = $1 AND ended_at IS NULL
RETURNING *;

-- touch --
-- Updates the time of last change of a locked JobRun.
UPDATE job_runs SET updated_at = clock_timestamp() WHERE id = $1;

-- end --
-- Ends a locked JobRun.
UPDATE job_runs
SET status = $2, reason = coalesce($3, reason), ended_at = clock_timestamp(), waits_for = NULL,
    updated_at = clock_timestamp()
WHERE id = $1 AND ended_at IS NULL
RETURNING *;

-- keep_counts --
-- Stores the figures from a locked JobRun's items, once none of them can change anymore.
UPDATE job_runs
SET payloads = items.items, successful_runs = items.completed, failed_runs = items.fallen
FROM (
    SELECT count(*) AS items, count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status IN ('failed', 'canceled') AND turn IS NOT NULL) AS fallen
    FROM runs WHERE job_run_id = $1
) AS items
WHERE id = $1 AND payloads IS NULL
RETURNING job_runs.*;

-- waiting_for --
-- The JobRuns that wait for an operation.
SELECT id FROM job_runs WHERE waits_for = $1 AND ended_at IS NULL;

-- stuck --
-- JobRuns with work to do but nothing in progress: their AuthSession must be prepared, or items are held
-- though none is queued, or the JobRun has ended and items have not; a batch at a time, following the
-- given one.
SELECT id, created_at FROM job_runs
WHERE (created_at, id) > (coalesce($1::timestamptz, '-infinity'), coalesce($2::text, ''))
    AND created_at < statement_timestamp() - interval '3 seconds'
    AND (ended_at IS NULL OR payloads IS NULL)
    AND status <> 'PAUSED'
    AND NOT EXISTS (
        SELECT FROM runs WHERE job_run_id = job_runs.id AND turn IS NOT NULL
            AND runs.status IN ('pending', 'started')
    )
    AND NOT EXISTS (
        SELECT FROM runs AS operation
        WHERE operation.id = job_runs.waits_for AND operation.status IN ('pending', 'started')
    )
ORDER BY created_at, id
LIMIT $3;
