-- find --
-- A project by its name.
SELECT * FROM projects WHERE workspace_id = $1 AND name = $2;

-- with_current --
-- A project by its name, with its current Deployment.
SELECT projects.id AS own_id, projects.workspace_id AS own_workspace_id, projects.name, projects.created_at AS project_created_at,
    deployments.*
FROM projects LEFT JOIN deployments ON deployments.id = projects.current_deployment_id
WHERE projects.workspace_id = $1 AND projects.name = $2;

-- by_id --
-- A project, with its current Deployment.
SELECT projects.id AS own_id, projects.workspace_id AS own_workspace_id, projects.name, projects.created_at AS project_created_at,
    deployments.*
FROM projects LEFT JOIN deployments ON deployments.id = projects.current_deployment_id
WHERE projects.id = $1;

-- list --
-- All projects of a workspace with their current Deployments, by name.
SELECT projects.id AS own_id, projects.workspace_id AS own_workspace_id, projects.name, projects.created_at AS project_created_at,
    deployments.*
FROM projects LEFT JOIN deployments ON deployments.id = projects.current_deployment_id
WHERE projects.workspace_id = $1 ORDER BY projects.name;

-- name_of --
-- The name of a project.
SELECT name FROM projects WHERE id = $1;

-- ensure --
-- Inserts the project unless it exists, and locks it until the transaction ends.
INSERT INTO projects (id, workspace_id, name) VALUES ($1, $2, $3)
ON CONFLICT (workspace_id, name) DO UPDATE SET name = excluded.name
RETURNING *;

-- limits --
-- What the queue must know about every project.
SELECT id, max_concurrent_runs FROM projects;

-- add_deployment --
-- Inserts a Deployment of a locked project.
INSERT INTO deployments (id, workspace_id, project_id, number, bundle_sha256, status)
SELECT $1, workspace_id, id,
    (SELECT coalesce(max(number), 0) + 1 FROM deployments WHERE project_id = $2), $3, 'pending'
FROM projects WHERE id = $2
RETURNING *;

-- deployment --
-- One Deployment.
SELECT * FROM deployments WHERE id = $1;

-- hold_deployment --
-- Keeps a Deployment from being deleted until the transaction ends, if it still exists.
SELECT id FROM deployments WHERE id = $1 FOR KEY SHARE;

-- deployments --
-- All Deployments of a project, newest first.
SELECT * FROM deployments WHERE project_id = $1 ORDER BY number DESC;

-- begin_deployment --
-- A Worker claims a Deployment, for the first time or after the previous Worker died.
UPDATE deployments SET status = 'building', progress = '{}', fence = fence + 1
WHERE id = $1 AND status IN ('pending', 'building')
RETURNING *;

-- report_deployment --
-- Appends a line of progress for the person who deploys.
WITH reported AS (
    UPDATE deployments SET progress = progress || $3::text
    WHERE id = $1 AND fence = $2 AND status IN ('building', 'ready')
    RETURNING id
)
SELECT pg_notify('runwright', 'deployment:' || id) FROM reported;

-- finish_deployment --
-- Makes a Deployment ready, unless another Worker has claimed it since.
UPDATE deployments
SET status = 'ready', manifest = $3, sealed_sink = $4, sealed_proxy = $5, ended_at = clock_timestamp()
WHERE id = $1 AND fence = $2 AND status = 'building'
RETURNING *;

-- fail_deployment --
-- Fails a Deployment with an error for its author, unless another Worker has claimed it since.
WITH failed AS (
    UPDATE deployments SET status = 'failed', error = $3, ended_at = clock_timestamp()
    WHERE id = $1 AND fence = $2 AND status = 'building'
    RETURNING id
)
SELECT pg_notify('runwright', 'deployment:' || id) FROM failed;

-- lock --
-- Locks a project until the transaction ends. Transactions that add rows belonging to it do not wait: they may
-- hold locks that this transaction needs next.
SELECT id FROM projects WHERE id = $1 FOR NO KEY UPDATE;

-- make_current --
-- Makes a ready Deployment of a locked project the current one, unless a newer one already is.
-- Without the lock, two at once would each see the state from before both.
UPDATE projects SET current_deployment_id = $2, max_concurrent_runs = $3
WHERE id = $1 AND NOT EXISTS (
    SELECT FROM deployments AS current, deployments AS mine
    WHERE current.id = projects.current_deployment_id AND mine.id = $2 AND current.number > mine.number
)
RETURNING id;

-- put_current --
-- Makes a ready Deployment the current one, whichever one was: a rollback.
UPDATE projects SET current_deployment_id = $2, max_concurrent_runs = $3 WHERE id = $1;

-- unfinished --
-- Deployments that are neither ready nor failed.
SELECT id FROM deployments
WHERE status IN ('pending', 'building') AND created_at < statement_timestamp() - interval '3 seconds';

-- current_deployments --
-- Every current Deployment, those with the latest Runs first.
SELECT deployments.*,
    (SELECT max(runs.created_at) FROM runs WHERE runs.project_id = projects.id) AS last_run_at
FROM projects JOIN deployments ON deployments.id = projects.current_deployment_id
ORDER BY last_run_at DESC NULLS LAST
LIMIT $1;
