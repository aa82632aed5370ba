-- series --
-- Runs of a workspace since a time, by span, status and duration class: from an index only.
SELECT floor(date_part('epoch', created_at - $2) / $3)::integer AS span, status,
    runwright_duration_class(started_at, ended_at, $4, $5, $6) AS class,
    count(*) AS number
FROM runs
WHERE kind = 'api' AND workspace_id = $1 AND created_at >= $2
GROUP BY 1, 2, 3;

-- series_of_project --
-- The same for one project.
SELECT floor(date_part('epoch', created_at - $2) / $3)::integer AS span, status,
    runwright_duration_class(started_at, ended_at, $4, $5, $6) AS class,
    count(*) AS number
FROM runs
WHERE kind = 'api' AND project_id = $1 AND created_at >= $2
GROUP BY 1, 2, 3;

-- series_of_spans --
-- The same for long windows: from precounted spans, from Runs that have ended since, and from unfinished Runs.
SELECT floor(date_part('epoch', begins_at - $2) / $3)::integer AS span, status, class::integer,
    sum(number)::bigint AS number
FROM run_spans
WHERE owner_id = $1 AND length = $8 AND begins_at >= $2
GROUP BY 1, 2, 3
UNION ALL
SELECT floor(date_part('epoch', created_at - $2) / $3)::integer, status,
    runwright_duration_class(started_at, ended_at, $4, $5, $6),
    count(*)
FROM runs
-- The upper bound excludes nothing, but with two bounds the planner expects few rows and uses the index.
WHERE ended_at > (SELECT until FROM run_spans_filled) AND ended_at < 'infinity' AND parent_id IS NULL
    AND kind = 'api' AND created_at >= $2 AND CASE WHEN $7 THEN project_id ELSE workspace_id END = $1
GROUP BY 1, 2, 3
UNION ALL
SELECT floor(date_part('epoch', runs.created_at - $2) / $3)::integer, 'pending', -1, count(*)
-- Unfinished Runs, each kind by its own index: waiting, held by a JobRun, in progress.
FROM projects JOIN runs ON runs.project_id = projects.id
WHERE runs.status = 'pending' AND runs.turn IS NOT NULL AND runs.kind = 'api' AND runs.created_at >= $2
    AND CASE WHEN $7 THEN projects.id ELSE projects.workspace_id END = $1
GROUP BY 1
UNION ALL
SELECT floor(date_part('epoch', created_at - $2) / $3)::integer, status, -1, count(*)
FROM (
    SELECT * FROM runs WHERE status = 'pending' AND turn IS NULL AND job_run_id IS NOT NULL
    UNION ALL SELECT * FROM runs WHERE status = 'started'
) AS open
WHERE kind = 'api' AND created_at >= $2 AND CASE WHEN $7 THEN project_id ELSE workspace_id END = $1
GROUP BY 1, 2;

-- failed --
-- The newest failed Runs of a workspace.
SELECT runs.id, projects.name AS project, runs.api, runs.failure, runs.ended_at
FROM runs JOIN projects ON projects.id = runs.project_id
WHERE runs.workspace_id = $1 AND runs.kind = 'api' AND runs.status = 'failed' AND runs.ended_at >= $2
ORDER BY runs.ended_at DESC
LIMIT $3;

-- failed_of_project --
-- The newest failed Runs of a project.
SELECT runs.id, projects.name AS project, runs.api, runs.failure, runs.ended_at
FROM runs JOIN projects ON projects.id = runs.project_id
WHERE runs.project_id = $1 AND runs.kind = 'api' AND runs.status = 'failed' AND runs.created_at >= $2
ORDER BY runs.created_at DESC
LIMIT $3;

-- queue --
-- What waits in a workspace (counted up to a limit), the age of the oldest, and what is in progress.
SELECT
    (SELECT count(*) FROM (
        SELECT FROM projects JOIN runs ON runs.project_id = projects.id
        WHERE projects.workspace_id = $1 AND ($2::uuid IS NULL OR projects.id = $2)
            AND runs.status = 'pending' AND runs.turn IS NOT NULL AND runs.kind = 'api'
        LIMIT $3
    ) AS counted) AS waiting,
    (SELECT min(oldest.created_at) FROM projects CROSS JOIN LATERAL (
        SELECT created_at FROM runs
        WHERE project_id = projects.id AND status = 'pending' AND turn IS NOT NULL AND kind = 'api'
        ORDER BY created_at LIMIT 1
    ) AS oldest WHERE projects.workspace_id = $1 AND ($2::uuid IS NULL OR projects.id = $2)) AS oldest_at,
    (SELECT count(*) FROM runs WHERE status = 'started' AND kind = 'api' AND workspace_id = $1
        AND ($2::uuid IS NULL OR project_id = $2)) AS started;

-- active --
-- Runs of a workspace in progress or waiting, those in progress first.
SELECT runs.id, runs.project_id, projects.name AS project, runs.api, runs.status, runs.attempt,
    runs.maximum_attempts, runs.created_at, runs.started_at
FROM runs JOIN projects ON projects.id = runs.project_id
WHERE runs.workspace_id = $1 AND runs.kind = 'api' AND runs.status = 'started'
ORDER BY runs.started_at DESC
LIMIT $2;

-- projects --
-- The projects of a workspace, with a summary of their last day.
SELECT projects.id, projects.name, deployments.number, deployments.ended_at AS deployed_at,
    (SELECT max(created_at) FROM runs WHERE runs.project_id = projects.id AND kind = 'api') AS last_run_at
FROM projects LEFT JOIN deployments ON deployments.id = projects.current_deployment_id
WHERE projects.workspace_id = $1
ORDER BY projects.name;

-- project_names --
-- The names of a workspace's projects.
SELECT name FROM projects WHERE workspace_id = $1 ORDER BY name;

-- project_counts --
-- How many Runs of each project of a workspace were accepted since the start of an hour, by status: like
-- `series_of_spans`, from precounted spans, from Runs that have ended since, and from unfinished Runs.
SELECT owner_id AS project_id, status, sum(number)::bigint AS number
FROM projects JOIN run_spans ON owner_id = projects.id
WHERE projects.workspace_id = $1 AND length = interval '1 hour' AND begins_at >= $2
GROUP BY 1, 2
UNION ALL
SELECT project_id, status, count(*) FROM runs
WHERE ended_at > (SELECT until FROM run_spans_filled) AND ended_at < 'infinity' AND parent_id IS NULL
    AND kind = 'api' AND created_at >= $2 AND workspace_id = $1
GROUP BY 1, 2
UNION ALL
SELECT runs.project_id, 'pending', count(*)
FROM projects JOIN runs ON runs.project_id = projects.id
WHERE projects.workspace_id = $1 AND runs.status = 'pending' AND runs.turn IS NOT NULL AND runs.kind = 'api'
    AND runs.created_at >= $2
GROUP BY 1
UNION ALL
SELECT project_id, status, count(*)
FROM (
    SELECT * FROM runs WHERE status = 'pending' AND turn IS NULL AND job_run_id IS NOT NULL
    UNION ALL SELECT * FROM runs WHERE status = 'started'
) AS open
WHERE kind = 'api' AND created_at >= $2 AND workspace_id = $1
GROUP BY 1, 2;

-- workers --
-- Workers heard from within the hour, with the number of Runs each is executing.
SELECT workers.*, heartbeat_at < now() - $1::interval AS is_silent,
    coalesce(examination_asked_at > coalesce(examined_at, '-infinity'), false) AS is_examination_asked,
    (SELECT count(*) FROM runs WHERE runs.worker_id = workers.id AND runs.status = 'started') AS busy
FROM workers
WHERE heartbeat_at > now() - interval '1 hour'
ORDER BY is_silent, host, started_at;

-- lines --
-- Runs of a project for a table, newest first, following a cursor.
SELECT id, project_id, api, status, attempt, maximum_attempts, attributes, failure, cancellation,
    job_run_id, drift, created_at, started_at, ended_at
FROM runs
WHERE project_id = $1 AND kind = 'api'
    AND ($2::text IS NULL OR api = $2)
    AND ($3::text IS NULL OR status = $3)
    AND ($4::timestamptz IS NULL OR created_at >= $4)
    AND ($5::timestamptz IS NULL OR created_at < $5)
    AND ($6::jsonb IS NULL OR attributes @> $6)
    AND ($7::timestamptz IS NULL OR (created_at, id) < ($7, $8))
    AND ($10::text IS NULL OR job_run_id = $10)
    AND ($11::text IS NULL OR job_run_id IN (
        SELECT job_runs.id FROM job_runs WHERE job_runs.project_id = $1 AND job_runs.job_id = $11))
    AND (NOT $12 OR drift IS NOT NULL)
ORDER BY created_at DESC, id DESC
LIMIT $9;

-- failed_lines --
-- The same for failed Runs only, whose failure contains a text ($3 is ignored).
SELECT id, project_id, api, status, attempt, maximum_attempts, attributes, failure, cancellation,
    job_run_id, drift, created_at, started_at, ended_at
FROM runs
WHERE project_id = $1 AND kind = 'api' AND status = 'failed' AND $3::text IS NOT NULL
    AND ($2::text IS NULL OR api = $2)
    AND ($4::timestamptz IS NULL OR created_at >= $4)
    AND ($5::timestamptz IS NULL OR created_at < $5)
    AND ($6::jsonb IS NULL OR attributes @> $6)
    AND ($7::timestamptz IS NULL OR (created_at, id) < ($7, $8))
    AND ($10::text IS NULL OR job_run_id = $10)
    AND ($11::text IS NULL OR job_run_id IN (
        SELECT job_runs.id FROM job_runs WHERE job_runs.project_id = $1 AND job_runs.job_id = $11))
    AND NOT $12
    AND ($13::text IS NULL OR strpos(lower(failure), $13) > 0)
ORDER BY created_at DESC, id DESC
LIMIT $9;

-- operations --
-- The last operation on each AuthSession of a project.
SELECT newest.* FROM auth_sessions CROSS JOIN LATERAL (
    SELECT id, project_id, auth_session_id, api, status, attempt, maximum_attempts, failure, cancellation,
        created_at, started_at, ended_at
    FROM runs
    WHERE runs.project_id = auth_sessions.project_id AND runs.auth_session_id = auth_sessions.id
        AND kind = 'operation'
    ORDER BY created_at DESC LIMIT 1
) AS newest
WHERE auth_sessions.project_id = $1;

-- last_job_runs --
-- The newest JobRun of each Job of a project.
SELECT jobs.id AS job_id, newest.* FROM jobs CROSS JOIN LATERAL (
    SELECT id, status, created_at, ended_at FROM job_runs
    WHERE job_runs.project_id = jobs.project_id AND job_runs.job_id = jobs.id
    ORDER BY created_at DESC, id DESC LIMIT 1
) AS newest
WHERE jobs.project_id = $1;

-- progress --
-- The progress of a JobRun's items.
SELECT count(*) FILTER (WHERE status = 'pending') AS waiting,
    count(*) FILTER (WHERE status = 'started') AS started,
    count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'canceled') AS canceled,
    min(started_at) AS first_at,
    count(*) FILTER (WHERE ended_at > clock_timestamp() - interval '1 minute' AND started_at IS NOT NULL)
        AS ended_lately
FROM runs WHERE job_run_id = $1;

-- items --
-- Items of a JobRun: those in progress first, then those that failed, then the most recently ended.
SELECT id, project_id, api, status, attempt, maximum_attempts, attributes, failure, cancellation,
    job_run_id, created_at, started_at, ended_at
FROM runs
WHERE job_run_id = $1 AND started_at IS NOT NULL
ORDER BY status = 'started' DESC, status = 'failed' DESC, ended_at DESC NULLS LAST
LIMIT $2;

-- delivery_counts --
-- The number of a JobRun's Deliveries by status.
SELECT status, count(*) AS number FROM deliveries WHERE job_run_id = $1 GROUP BY status;
