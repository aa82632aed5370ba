-- add --
-- Appends items to a locked JobRun, held until it feeds them.
INSERT INTO runs (
    id, workspace_id, project_id, deployment_id, api, parameters, sealed_proxy, save_trace,
    request_timeout, maximum_attempts, auth_session_id, session_plan, job_run_id, position
)
SELECT item.id, job_runs.workspace_id, job_runs.project_id, job_runs.deployment_id, item.api,
    item.parameters, item.sealed_proxy, true, item.request_timeout, item.maximum_attempts,
    job_runs.auth_session_id, $8, job_runs.id, last.position + item.place
FROM job_runs,
    (SELECT coalesce(max(position), 0) AS position FROM runs WHERE job_run_id = $1) AS last,
    unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::interval[], $7::integer[])
        WITH ORDINALITY
        AS item (id, api, parameters, sealed_proxy, request_timeout, maximum_attempts, place)
WHERE job_runs.id = $1;

-- standing --
-- How many items of a JobRun are in progress, how many are held (counted up to a limit), and how many were ever fed.
SELECT
    (SELECT count(*) FROM runs
        WHERE job_run_id = $1 AND turn IS NOT NULL AND status IN ('pending', 'started')) AS active,
    (SELECT count(*) FROM (
        SELECT FROM runs
        WHERE job_run_id = $1 AND turn IS NULL AND status IN ('pending', 'started') LIMIT $2
    ) AS held_ones) AS held,
    CASE WHEN $3 THEN (
        SELECT count(*) FROM runs WHERE job_run_id = $1 AND turn IS NOT NULL
    ) ELSE 0 END AS begun;

-- feed --
-- Assigns turns to the next held items of a locked JobRun, one after the other.
WITH next AS (
    SELECT id, row_number() OVER (ORDER BY position) AS place
    FROM (
        SELECT id, position FROM runs
        WHERE job_run_id = $1 AND turn IS NULL AND status IN ('pending', 'started')
        ORDER BY position LIMIT $2
    ) AS held
), head AS (
    SELECT min(turn) AS turn FROM runs WHERE status = 'pending'
), own AS (
    SELECT max(turn) AS turn FROM runs
    WHERE status = 'pending' AND project_id = (SELECT project_id FROM job_runs WHERE id = $1)
)
UPDATE runs
SET turn = greatest(coalesce(head.turn, 0), coalesce(own.turn + 1, 0)) + next.place - 1
FROM next, head, own
WHERE runs.id = next.id
RETURNING runs.id, runs.turn;

-- unfeed --
-- Takes back the fed items that no Worker has looked at yet.
UPDATE runs SET turn = NULL
WHERE job_run_id = $1 AND turn IS NOT NULL AND status = 'pending' AND fence = 0
RETURNING id;

-- fed --
-- The items of a JobRun that are queued or in progress.
SELECT id FROM runs
WHERE job_run_id = $1 AND turn IS NOT NULL AND status IN ('pending', 'started')
ORDER BY position;

-- cancel_held --
-- Cancels held items, up to a limit: those never begun, and those held back.
UPDATE runs
SET status = 'canceled', cancellation = $2, ended_at = clock_timestamp(), sealed_session = NULL,
    worker_id = NULL
WHERE id IN (
    SELECT id FROM runs
    WHERE job_run_id = $1 AND turn IS NULL AND status IN ('pending', 'started')
    ORDER BY position LIMIT $3
)
RETURNING *;

-- results --
-- Items of a JobRun that have ended, in order, following a position.
SELECT * FROM runs
WHERE job_run_id = $1 AND position > $2 AND status IN ('completed', 'failed', 'canceled')
ORDER BY position LIMIT $3;

-- failed_deliveries --
-- The Deliveries of a JobRun for which every try failed.
SELECT id FROM deliveries WHERE job_run_id = $1 AND status = 'exhausted' ORDER BY created_at, id;
