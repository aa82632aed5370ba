-- Age is measured against `statement_timestamp()`, which an index can be searched for. `clock_timestamp()` may differ from
-- row to row, which would force a look at every row. The same applies in the other files where rows are found by time.

-- due_files --
-- Files older than that of Runs that ended as long ago; their number and size.
SELECT count(*) AS count, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
FROM files JOIN runs ON runs.id = files.run_id
WHERE files.created_at < statement_timestamp() - $1::interval
    AND runs.ended_at < statement_timestamp() - $1::interval;

-- forget_due_files --
-- Deletes a batch of them, oldest first.
DELETE FROM files WHERE id = ANY (ARRAY(
    SELECT files.id FROM files JOIN runs ON runs.id = files.run_id
    WHERE files.created_at < statement_timestamp() - $1::interval
        AND runs.ended_at < statement_timestamp() - $1::interval
    ORDER BY files.created_at, files.id LIMIT $2
))
RETURNING blob, size_bytes;

-- forget_oldest_files --
-- Deletes the oldest files of ended Runs: up to a number, and until a size is reached.
DELETE FROM files WHERE id = ANY (ARRAY(
    SELECT id FROM (
        SELECT files.id, files.size_bytes,
            sum(files.size_bytes) OVER (ORDER BY files.created_at, files.id) AS until_here
        FROM (
            SELECT files.id, files.size_bytes, files.created_at
            FROM files JOIN runs ON runs.id = files.run_id
            WHERE runs.ended_at IS NOT NULL
            ORDER BY files.created_at, files.id LIMIT $2
        ) AS files
    ) AS oldest
    WHERE until_here - size_bytes < $1
))
RETURNING blob, size_bytes;

-- due_runs --
-- Runs that ended longer ago than that and that nothing waits for: no Delivery, no other Run, no caller
-- that may return with its idempotency key, no JobRun that counts them.
SELECT id FROM runs
WHERE ended_at < statement_timestamp() - $1::interval AND parent_id IS NULL
    AND NOT EXISTS (SELECT FROM deliveries WHERE run_id = runs.id AND status = 'pending')
    AND NOT EXISTS (
        SELECT FROM runs AS waiting
        WHERE waiting.waits_for = runs.id AND waiting.status IN ('pending', 'started')
    )
    AND NOT EXISTS (SELECT FROM job_runs WHERE waits_for = runs.id AND ended_at IS NULL)
    AND NOT EXISTS (
        SELECT FROM job_runs
        WHERE job_runs.id = runs.job_run_id AND (
            job_runs.payloads IS NULL OR job_runs.ended_at IS NULL
            OR job_runs.ended_at >= statement_timestamp() - $1::interval
        )
    )
    AND (idempotency_key IS NULL OR created_at < statement_timestamp() - interval '24 hours')
ORDER BY ended_at LIMIT $2;

-- with_parts --
-- The Runs together with their checks and creates.
SELECT id FROM runs WHERE id = ANY($1) OR parent_id = ANY($1);

-- forget_files_of --
-- Deletes all files of the Runs.
DELETE FROM files WHERE run_id = ANY($1) RETURNING blob, size_bytes;

-- count_log_lines_of --
-- The number of log lines of the Runs.
SELECT count(*) FROM log_lines WHERE run_id = ANY($1);

-- forget_log_lines_of --
-- Deletes a batch of the Runs' log lines.
DELETE FROM log_lines WHERE id = ANY (ARRAY(SELECT id FROM log_lines WHERE run_id = ANY($1) LIMIT $2))
RETURNING id;

-- lock_deliveries_of --
-- The Deliveries of the Runs, locked until the transaction ends, so that none is renewed in the meantime.
SELECT id FROM deliveries WHERE run_id = ANY($1) FOR UPDATE;

-- forget_runs --
-- Deletes those of the Runs that nothing waits for, with everything that belongs to them.
DELETE FROM runs
WHERE id = ANY($1) AND ended_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM deliveries WHERE run_id = runs.id AND status = 'pending')
RETURNING id;

-- due_job_runs --
-- JobRuns that ended longer ago than that, without remaining items or pending Deliveries.
SELECT count(*) FROM job_runs
WHERE ended_at < statement_timestamp() - $1::interval AND payloads IS NOT NULL
    AND NOT EXISTS (SELECT FROM runs WHERE job_run_id = job_runs.id)
    AND NOT EXISTS (SELECT FROM deliveries WHERE job_run_id = job_runs.id AND status = 'pending')
    AND (idempotency_key IS NULL OR created_at < statement_timestamp() - interval '24 hours');

-- forget_job_runs --
-- Deletes a batch of them.
DELETE FROM job_runs WHERE id = ANY (ARRAY(
    SELECT id FROM job_runs
    WHERE ended_at < statement_timestamp() - $1::interval AND payloads IS NOT NULL
        AND NOT EXISTS (SELECT FROM runs WHERE job_run_id = job_runs.id)
        AND NOT EXISTS (SELECT FROM deliveries WHERE job_run_id = job_runs.id AND status = 'pending')
        AND (idempotency_key IS NULL OR created_at < statement_timestamp() - interval '24 hours')
    ORDER BY ended_at LIMIT $2
))
RETURNING id;

-- due_notifications --
-- Deliveries without a Run that ended longer ago than that.
SELECT count(*) FROM deliveries
WHERE run_id IS NULL AND ended_at < statement_timestamp() - $1::interval;

-- forget_notifications --
-- Deletes a batch of them. If one was sent again in the meantime, its row has changed and is checked once more.
DELETE FROM deliveries WHERE id = ANY (ARRAY(
    SELECT id FROM deliveries
    WHERE run_id IS NULL AND ended_at < statement_timestamp() - $1::interval
    ORDER BY ended_at LIMIT $2
)) AND ended_at < statement_timestamp() - $1::interval
RETURNING id;

-- due_deployments --
-- Deployments that are finished, not current, and without Runs.
SELECT count(*) FROM deployments
WHERE status IN ('ready', 'failed') AND ended_at < statement_timestamp() - $1::interval
    AND NOT EXISTS (SELECT FROM projects WHERE current_deployment_id = deployments.id)
    AND NOT EXISTS (SELECT FROM runs WHERE runs.deployment_id = deployments.id)
    AND NOT EXISTS (SELECT FROM job_runs WHERE job_runs.deployment_id = deployments.id);

-- lock_due_deployments --
-- A batch of them, locked until the transaction ends, except any that is being rolled back to right now.
SELECT id FROM deployments
WHERE status IN ('ready', 'failed') AND ended_at < statement_timestamp() - $1::interval
    AND NOT EXISTS (SELECT FROM projects WHERE current_deployment_id = deployments.id)
    AND NOT EXISTS (SELECT FROM runs WHERE runs.deployment_id = deployments.id)
    AND NOT EXISTS (SELECT FROM job_runs WHERE job_runs.deployment_id = deployments.id)
ORDER BY ended_at LIMIT $2
FOR UPDATE SKIP LOCKED;

-- forget_locked_deployments --
-- Deletes the locked Deployments that had not become needed before they were locked.
DELETE FROM deployments
WHERE id = ANY ($1)
    AND NOT EXISTS (SELECT FROM projects WHERE current_deployment_id = deployments.id)
    AND NOT EXISTS (SELECT FROM runs WHERE runs.deployment_id = deployments.id)
    AND NOT EXISTS (SELECT FROM job_runs WHERE job_runs.deployment_id = deployments.id)
RETURNING bundle_sha256;

-- lock_bundle --
-- Makes deploying and removing a Bundle mutually exclusive; returns whether the lock was available.
SELECT pg_try_advisory_xact_lock(7240119, hashtext($1));

-- share_bundle --
-- The counterpart for deploying, which waits for the lock.
SELECT pg_advisory_xact_lock_shared(7240119, hashtext($1));

-- is_bundle_wanted --
-- Whether any Deployment has the Bundle.
SELECT EXISTS (SELECT FROM deployments WHERE bundle_sha256 = $1);

-- is_bundle_needed --
-- Whether a Deployment that is current, unfinished or has an unfinished Run has the Bundle.
SELECT EXISTS (
    SELECT FROM deployments
    WHERE bundle_sha256 = $1 AND (
        status IN ('pending', 'building')
        OR EXISTS (SELECT FROM projects WHERE current_deployment_id = deployments.id)
        OR EXISTS (
            SELECT FROM runs
            WHERE runs.deployment_id = deployments.id AND runs.status IN ('pending', 'started')
        )
        OR EXISTS (
            SELECT FROM job_runs
            WHERE job_runs.deployment_id = deployments.id AND job_runs.ended_at IS NULL
        )
    )
);

-- oldest_bundles --
-- The Bundles in order of their latest deployment, oldest first.
SELECT bundle_sha256 FROM deployments GROUP BY bundle_sha256 ORDER BY max(created_at) LIMIT $1;

-- known_blobs --
-- Those of the blobs that a file refers to.
SELECT DISTINCT blob FROM files WHERE blob = ANY($1);

-- known_bundles --
-- Those of the Bundles that a Deployment refers to.
SELECT DISTINCT bundle_sha256 FROM deployments WHERE bundle_sha256 = ANY($1);

-- due_sessions --
-- AuthSessions that were never made and that nothing will make anymore, or whose Run has ended.
SELECT count(*) FROM auth_sessions
WHERE updated_at < statement_timestamp() - interval '1 day'
    AND ((only_for IS NULL AND sealed_state IS NULL AND source = 'API')
        OR EXISTS (SELECT FROM runs WHERE runs.id = auth_sessions.only_for AND runs.ended_at IS NOT NULL))
    AND NOT EXISTS (
        SELECT FROM runs
        WHERE runs.project_id = auth_sessions.project_id AND runs.auth_session_id = auth_sessions.id
            AND runs.status IN ('pending', 'started')
    );

-- forget_sessions --
-- Deletes a batch of them.
DELETE FROM auth_sessions WHERE (project_id, id) IN (
    SELECT project_id, id FROM auth_sessions
    WHERE updated_at < statement_timestamp() - interval '1 day'
        AND ((only_for IS NULL AND sealed_state IS NULL AND source = 'API')
            OR EXISTS (SELECT FROM runs WHERE runs.id = auth_sessions.only_for AND runs.ended_at IS NOT NULL))
        AND NOT EXISTS (
            SELECT FROM runs
            WHERE runs.project_id = auth_sessions.project_id
                AND runs.auth_session_id = auth_sessions.id
                AND runs.status IN ('pending', 'started')
        )
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING id;

-- due_secrets --
-- Webhook secrets that no longer sign.
SELECT count(*) FROM webhook_secrets WHERE valid_until < statement_timestamp() - interval '1 day';

-- forget_secrets --
-- Deletes a batch of them.
DELETE FROM webhook_secrets WHERE id IN (
    SELECT id FROM webhook_secrets WHERE valid_until < statement_timestamp() - interval '1 day' LIMIT $1
)
RETURNING id;

-- lock --
-- Takes the pruning lock, if it is free.
SELECT pg_try_advisory_lock($1);

-- wait_for_lock --
-- Takes the pruning lock as soon as it is free.
SELECT pg_advisory_lock($1);

-- unlock --
-- Releases it.
SELECT pg_advisory_unlock($1);

-- note --
-- Records what a pruning has removed, and deletes old records.
WITH noted AS (
    INSERT INTO prunings (started_at, is_complete, removed) VALUES ($1, $2, $3)
)
DELETE FROM prunings WHERE started_at < statement_timestamp() - interval '90 days';

-- last_complete --
-- When the last completed pruning began.
SELECT max(started_at) FROM prunings WHERE is_complete;

-- last --
-- What the last pruning removed.
SELECT started_at, ended_at, is_complete, removed FROM prunings ORDER BY started_at DESC LIMIT 1;
