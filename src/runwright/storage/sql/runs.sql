-- insert --
-- Inserts a Run and assigns its turn: behind all of its own project's Runs, next to the head of the others'.
WITH head AS (
    SELECT min(turn) AS turn FROM runs WHERE status = 'pending'
), own AS (
    SELECT max(turn) AS turn FROM runs WHERE status = 'pending' AND project_id = $3
)
INSERT INTO runs (
    id, workspace_id, project_id, deployment_id, api, parameters, sealed_proxy, save_trace,
    request_timeout, maximum_attempts, idempotency_key, request_sha256, save_har, kind,
    auth_session_id, session_plan, sealed_session, sealed_sink, correlation_id, trace_parent,
    expires_at, turn
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    clock_timestamp() + $21::interval,
    greatest(coalesce(head.turn, 0), coalesce(own.turn + 1, 0))
FROM head, own
RETURNING *;

-- count_waiting --
-- The number of a project's waiting Runs, counted up to a limit.
SELECT count(*) FROM (
    SELECT FROM runs WHERE project_id = $1 AND status = 'pending' AND turn IS NOT NULL LIMIT $2
) AS waiting;

-- expired --
-- Runs that no Worker has begun and whose time is up.
SELECT id FROM runs
WHERE status = 'pending' AND expires_at < statement_timestamp() AND worker_id IS NULL
ORDER BY expires_at LIMIT $1;

-- find_idempotent --
-- The Run that a key created in this project within the last day.
SELECT * FROM runs
WHERE project_id = $1 AND idempotency_key = $2 AND created_at > clock_timestamp() - interval '24 hours';

-- forget_idempotency_key --
-- Releases a key that is older than a day.
UPDATE runs SET idempotency_key = NULL
WHERE project_id = $1 AND idempotency_key = $2 AND created_at <= clock_timestamp() - interval '24 hours';

-- get --
-- One Run.
SELECT * FROM runs WHERE id = $1;

-- lock --
-- One Run, locked until the transaction ends.
SELECT * FROM runs WHERE id = $1 FOR UPDATE;

-- claim_first --
-- Claims a waiting Run for the first time, in one statement. Without an AuthSession its first Attempt begins;
-- a Run whose AuthSession must be prepared stays pending, and an operation is started.
WITH claimed AS (
    UPDATE runs
    SET fence = fence + 1, worker_id = $2,
        attempt = CASE WHEN auth_session_id IS NULL THEN 1 ELSE 0 END,
        status = CASE WHEN auth_session_id IS NULL OR kind = 'operation' THEN 'started'
            ELSE status END,
        started_at = CASE WHEN auth_session_id IS NULL OR kind = 'operation'
            THEN clock_timestamp() END
    WHERE id = $1 AND status = 'pending' AND cancel_requested_at IS NULL AND turn IS NOT NULL
        AND (auth_session_id IS NULL OR fence = 0)
        AND (expires_at IS NULL OR expires_at > clock_timestamp())
    RETURNING *
), begun AS (
    INSERT INTO attempts (run_id, number, fence, worker_id)
    SELECT id, attempt, fence, worker_id FROM claimed WHERE auth_session_id IS NULL
)
SELECT claimed.*, projects.variables_version, job_runs.job_id
FROM claimed JOIN projects ON projects.id = claimed.project_id
    LEFT JOIN job_runs ON job_runs.id = claimed.job_run_id;

-- claim_next --
-- Begins another Attempt of a started Run that is locked.
WITH claimed AS (
    UPDATE runs
    SET attempt = attempt + 1, fence = fence + 1, worker_id = $2
    WHERE id = $1 AND status = 'started'
    RETURNING *
), begun AS (
    INSERT INTO attempts (run_id, number, fence, worker_id)
    SELECT id, attempt, fence, worker_id FROM claimed
)
SELECT claimed.*, projects.variables_version, job_runs.job_id
FROM claimed JOIN projects ON projects.id = claimed.project_id
    LEFT JOIN job_runs ON job_runs.id = claimed.job_run_id;

-- claim_prepared --
-- Claims a locked operation, or a Run whose AuthSession must be prepared, again.
WITH claimed AS (
    UPDATE runs
    SET fence = fence + 1, worker_id = $2,
        status = CASE WHEN kind = 'operation' THEN 'started' ELSE status END,
        started_at = CASE WHEN kind = 'operation' THEN coalesce(started_at, clock_timestamp())
            ELSE started_at END
    WHERE id = $1 AND status IN ('pending', 'started')
    RETURNING *
)
SELECT claimed.*, projects.variables_version, job_runs.job_id
FROM claimed JOIN projects ON projects.id = claimed.project_id
    LEFT JOIN job_runs ON job_runs.id = claimed.job_run_id;

-- begin_attempt --
-- Begins an Attempt of a Run whose AuthSession is good, under its fence.
WITH begun AS (
    UPDATE runs
    SET status = 'started', attempt = attempt + 1,
        started_at = coalesce(started_at, clock_timestamp())
    WHERE id = $1 AND fence = $2 AND status IN ('pending', 'started')
    RETURNING *
)
INSERT INTO attempts (run_id, number, fence, worker_id)
SELECT id, attempt, fence, worker_id FROM begun
RETURNING number;

-- begin_part --
-- Begins a check or create for a claimed Run, under that Run's fence.
WITH begun AS (
    INSERT INTO runs (
        id, workspace_id, project_id, deployment_id, kind, parent_id, auth_session_id, api,
        parameters, save_trace, request_timeout, maximum_attempts, status, attempt, fence,
        worker_id, turn, started_at
    )
    SELECT $1, workspace_id, project_id, deployment_id, $4, id, auth_session_id,
        $8, '{}', $5, $6, $7, 'started', 1, 1, worker_id, 0, clock_timestamp()
    FROM runs
    WHERE id = $2 AND fence = $3 AND status IN ('pending', 'started')
    RETURNING *
)
INSERT INTO attempts (run_id, number, fence, worker_id)
SELECT id, attempt, fence, worker_id FROM begun
RETURNING run_id;

-- parts --
-- The checks and creates of a Run, in order.
SELECT * FROM runs WHERE parent_id = $1 ORDER BY created_at, id;

-- lose_parts --
-- Ends the checks and creates of a locked Run whose Worker is gone.
WITH lost AS (
    UPDATE runs SET status = 'failed', failure = $2, ended_at = clock_timestamp(), worker_id = NULL
    WHERE parent_id = $1 AND status = 'started'
    RETURNING id
)
UPDATE attempts SET status = 'failed', ended_at = clock_timestamp(), failure = $2
FROM lost WHERE run_id = lost.id AND status = 'started';

-- park --
-- Makes a claimed Run wait for an operation, under its fence.
UPDATE runs SET waits_for = $3, worker_id = NULL
WHERE id = $1 AND fence = $2 AND status IN ('pending', 'started')
RETURNING id;

-- waiting --
-- The Runs that wait for an operation.
SELECT id, project_id, turn, fence FROM runs
WHERE waits_for = $1 AND status IN ('pending', 'started')
ORDER BY turn, created_at;

-- active_operation --
-- The operation that holds an AuthSession, itself locked until the transaction ends.
SELECT * FROM runs
WHERE project_id = $1 AND auth_session_id = $2 AND kind = 'operation'
    AND status IN ('pending', 'started')
FOR SHARE;

-- lose_attempts --
-- Ends the Attempts of a locked Run whose Worker is gone.
UPDATE attempts
SET status = 'failed', ended_at = clock_timestamp(), failure = $2
WHERE run_id = $1 AND status = 'started'
RETURNING *;

-- is_under_way --
-- Whether the Attempt that a Run was claimed for under that fence is open.
SELECT EXISTS (SELECT FROM attempts WHERE run_id = $1 AND fence = $2 AND status = 'started');

-- attempts --
-- All Attempts of a Run, in order.
SELECT * FROM attempts WHERE run_id = $1 ORDER BY number;

-- finish --
-- Ends a Run and its last Attempt, under its fence; does nothing under an old fence.
WITH ended AS (
    UPDATE runs
    SET status = $3, result = $4, extended_payloads = $5, failure = $6, cancellation = $7,
        attributes = attributes || $10::jsonb, ended_at = clock_timestamp(), worker_id = NULL,
        sealed_session = NULL, turn = coalesce(turn, 0)
    WHERE id = $1 AND fence = $2 AND status IN ('pending', 'started')
    RETURNING *
), forgotten AS (
    DELETE FROM auth_sessions USING ended WHERE only_for = ended.id
), ended_attempt AS (
    UPDATE attempts
    SET status = $3, failure = $8, author_started_at = $9, ended_at = clock_timestamp()
    FROM ended
    WHERE run_id = ended.id AND attempts.fence = $2 AND attempts.status = 'started'
)
SELECT ended.*, pg_notify('runwright', 'run:' || id) FROM ended;

-- retry --
-- Ends an Attempt and leaves the Run waiting for its next one, under its fence.
WITH waiting AS (
    UPDATE runs SET worker_id = NULL, attributes = attributes || $5::jsonb
    WHERE id = $1 AND fence = $2 AND status = 'started'
    RETURNING id
), ended_attempt AS (
    UPDATE attempts
    SET status = 'failed', failure = $3, author_started_at = $4, ended_at = clock_timestamp()
    FROM waiting
    WHERE run_id = waiting.id AND fence = $2 AND attempts.status = 'started'
)
SELECT id FROM waiting;

-- disown --
-- Lets any Worker claim a claimed Run immediately; the open Attempt is lost.
UPDATE runs SET worker_id = NULL WHERE id = $1 AND fence = $2 AND status IN ('pending', 'started');

-- give_back --
-- Undoes a claim: we interrupted the Attempt, so it does not count.
WITH returned AS (
    UPDATE runs
    SET worker_id = NULL, attempt = attempt - (
        SELECT count(*) FROM attempts
        WHERE run_id = $1 AND attempts.fence = $2 AND attempts.status = 'started'
    )
    WHERE id = $1 AND fence = $2 AND status IN ('pending', 'started')
    RETURNING id
), undone AS (
    DELETE FROM attempts USING returned
    WHERE run_id = returned.id AND fence = $2 AND status = 'started'
)
SELECT id FROM returned;

-- hold_back --
-- Takes a claimed item out of the queue until its JobRun feeds it again, under its fence. By then it no
-- longer matters how the operation that it waited for ended.
UPDATE runs SET turn = NULL, worker_id = NULL, waits_for = NULL
WHERE id = $1 AND fence = $2 AND status IN ('pending', 'started')
RETURNING id;

-- cancel_pending --
-- Cancels a Run that no Worker has begun.
WITH canceled AS (
    UPDATE runs
    SET status = 'canceled', cancellation = $2, ended_at = clock_timestamp(), sealed_session = NULL,
        worker_id = NULL, turn = coalesce(turn, 0)
    WHERE id = $1 AND status = 'pending'
    RETURNING *
), forgotten AS (
    DELETE FROM auth_sessions USING canceled WHERE only_for = canceled.id
)
SELECT * FROM canceled;

-- cancel_parts --
-- Ends the checks and creates of a Run that was canceled while a Worker prepared its AuthSession.
WITH canceled AS (
    UPDATE runs SET status = 'canceled', cancellation = $2, ended_at = clock_timestamp(), worker_id = NULL
    WHERE parent_id = $1 AND status = 'started'
    RETURNING id
)
UPDATE attempts SET status = 'canceled', ended_at = clock_timestamp()
FROM canceled WHERE run_id = canceled.id AND attempts.status = 'started';

-- request_cancel --
-- Asks the Worker that is executing the Run to cancel it.
UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
WHERE id = $1 AND status = 'started'
RETURNING id;

-- cancel_pending_of_project --
-- Cancels every Run of a project that no Worker has begun.
WITH canceled AS (
    UPDATE runs
    SET status = 'canceled', cancellation = $2, ended_at = clock_timestamp(), sealed_session = NULL,
        worker_id = NULL
    WHERE project_id = $1 AND status = 'pending' AND kind = 'api' AND job_run_id IS NULL
    RETURNING *
), forgotten AS (
    DELETE FROM auth_sessions USING canceled WHERE only_for = canceled.id
)
SELECT * FROM canceled;

-- interrupted --
-- Those of the given Runs whose cancellation was requested, or that are no longer under the given fence.
SELECT held.id, runs.fence <> held.fence OR runs.status NOT IN ('pending', 'started') AS is_lost
FROM unnest($1::text[], $2::integer[]) AS held (id, fence)
JOIN runs ON runs.id = held.id
WHERE runs.cancel_requested_at IS NOT NULL
    OR runs.fence <> held.fence OR runs.status NOT IN ('pending', 'started');

-- unfinished --
-- Runs that are not terminal, not a part, wait for no operation, are not held, and were not created just now; a
-- batch at a time, in the order of `runs_unfinished`.
SELECT id, project_id, turn FROM runs
WHERE status IN ('pending', 'started') AND parent_id IS NULL AND turn IS NOT NULL AND id > $1
    AND created_at < statement_timestamp() - interval '3 seconds'
    AND NOT EXISTS (
        SELECT FROM runs AS operation
        WHERE operation.id = runs.waits_for AND operation.status IN ('pending', 'started')
    )
ORDER BY id
LIMIT $2;

-- page --
-- The Runs of a project, newest first, following a cursor.
SELECT * FROM runs
WHERE project_id = $1 AND kind = 'api'
    AND ($2::text IS NULL OR api = $2)
    AND ($3::text IS NULL OR status = $3)
    AND ($4::timestamptz IS NULL OR created_at >= $4)
    AND ($5::timestamptz IS NULL OR created_at < $5)
    AND ($6::jsonb IS NULL OR attributes @> $6)
    AND ($7::timestamptz IS NULL OR (created_at, id) < ($7, $8))
    AND ($9::text IS NULL OR job_run_id IN (
        SELECT job_runs.id FROM job_runs
        WHERE job_runs.project_id = $1 AND job_runs.job_id = $9
    ))
    AND (NOT $10 OR drift IS NOT NULL)
ORDER BY created_at DESC, id DESC
LIMIT $11;

-- page_of_job_run --
-- Only the items of a JobRun, newest first, following a cursor: found by their JobRun, not among all Runs.
SELECT * FROM (SELECT * FROM runs WHERE job_run_id = $9 OFFSET 0) AS items
WHERE project_id = $1
    AND ($2::text IS NULL OR api = $2)
    AND ($3::text IS NULL OR status = $3)
    AND ($4::timestamptz IS NULL OR created_at >= $4)
    AND ($5::timestamptz IS NULL OR created_at < $5)
    AND ($6::jsonb IS NULL OR attributes @> $6)
    AND ($7::timestamptz IS NULL OR (created_at, id) < ($7, $8))
    AND (NOT $10 OR drift IS NOT NULL)
ORDER BY created_at DESC, id DESC
LIMIT $11;

-- add_log_lines --
-- Appends lines to an Attempt's log and notifies its readers.
WITH added AS (
    INSERT INTO log_lines (run_id, attempt, at, stream, level, text)
    SELECT $1, $2, line.at, line.stream, line.level, line.text
    FROM unnest($3::timestamptz[], $4::text[], $5::text[], $6::text[]) AS line (at, stream, level, text)
)
SELECT pg_notify('runwright', 'run:' || $1);

-- add_log_tail --
-- Stores the newest lines of a log that is too long, records what is left out, and returns the new lines' ids.
WITH dropped AS (
    DELETE FROM log_lines WHERE id = ANY($7::bigint[])
),
marked AS (
    UPDATE log_lines SET stream = 'platform', level = 'warning', text = $9 WHERE id = $8
),
added AS (
    INSERT INTO log_lines (run_id, attempt, at, stream, level, text)
    SELECT $1, $2, line.at, line.stream, line.level, line.text
    FROM unnest($3::timestamptz[], $4::text[], $5::text[], $6::text[]) AS line (at, stream, level, text)
    RETURNING id
)
SELECT id, pg_notify('runwright', 'run:' || $1) FROM added ORDER BY id;

-- log_lines --
-- Lines of a Run's log following an id.
SELECT * FROM log_lines WHERE run_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- add_file --
-- Attaches a stored blob to a Run; idempotent.
INSERT INTO files (run_id, attempt, kind, name, size_bytes, blob)
SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (SELECT FROM files WHERE run_id = $1 AND blob = $6)
RETURNING id;

-- files --
-- The files of a Run.
SELECT * FROM files WHERE run_id = $1 ORDER BY id;

-- file --
-- One file of a Run.
SELECT * FROM files WHERE run_id = $1 AND id = $2;
