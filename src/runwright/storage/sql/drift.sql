-- next_api --
-- The Api whose completed Run has waited longest to be examined.
SELECT project_id, api FROM runs
WHERE status = 'completed' AND kind = 'api' AND NOT is_examined
ORDER BY ended_at LIMIT 1;

-- ensure --
-- Inserts the profile of an Api unless it exists.
INSERT INTO result_profiles (project_id, api) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- lock --
-- The profile of an Api, locked until the transaction ends, unless another transaction holds it.
SELECT * FROM result_profiles WHERE project_id = $1 AND api = $2 FOR UPDATE SKIP LOCKED;

-- wait_for --
-- The same, waiting for the lock.
SELECT * FROM result_profiles WHERE project_id = $1 AND api = $2 FOR UPDATE;

-- unexamined --
-- Completed but unexamined Runs of an Api, in the order in which they ended.
SELECT id, workspace_id, result, job_run_id, sealed_sink FROM runs
WHERE project_id = $1 AND api = $2 AND status = 'completed' AND kind = 'api' AND NOT is_examined
ORDER BY ended_at, id LIMIT $3;

-- examined --
-- Marks Runs as examined, each with its drift, if any.
UPDATE runs SET is_examined = true, drift = found.drift
FROM unnest($1::text[], $2::text[]) AS found (id, drift) WHERE runs.id = found.id;

-- keep --
-- Saves the shapes of an Api whose profile is locked.
UPDATE result_profiles SET shapes = $3, updated_at = clock_timestamp()
WHERE project_id = $1 AND api = $2;

-- watch --
-- Enables or disables drift detection for an Api.
UPDATE result_profiles SET is_watched = $3 WHERE project_id = $1 AND api = $2;

-- list --
-- The profiles of a project, by Api, each with its latest marked Run.
SELECT result_profiles.*, latest.id AS run_id, latest.drift, latest.ended_at
FROM result_profiles LEFT JOIN LATERAL (
    SELECT id, drift, ended_at FROM runs
    WHERE runs.project_id = result_profiles.project_id AND runs.api = result_profiles.api
        AND drift IS NOT NULL
    ORDER BY created_at DESC LIMIT 1
) AS latest ON true
WHERE result_profiles.project_id = $1 ORDER BY result_profiles.api;
