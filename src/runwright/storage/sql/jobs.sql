-- insert --
-- Inserts a new Job, unless the id is taken.
INSERT INTO jobs (
    project_id, id, workspace_id, source, payload, configuration, schedule, session_plan,
    sealed_secrets, firing, fires_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (project_id, id) DO NOTHING
RETURNING *;

-- update --
-- Replaces a Job's plan; a paused Job stays paused.
UPDATE jobs
SET payload = $3, configuration = $4, schedule = $5, session_plan = $6, sealed_secrets = $7,
    firing = CASE WHEN state = 'ACTIVE' THEN $8::timestamptz END,
    fires_at = CASE WHEN state = 'ACTIVE' THEN $9::timestamptz END,
    updated_at = clock_timestamp()
WHERE project_id = $1 AND id = $2
RETURNING *;

-- get --
-- One Job.
SELECT * FROM jobs WHERE project_id = $1 AND id = $2;

-- lock --
-- One Job, locked until the transaction ends.
SELECT * FROM jobs WHERE project_id = $1 AND id = $2 FOR UPDATE;

-- list --
-- The Jobs of a project, by id.
SELECT * FROM jobs WHERE project_id = $1 ORDER BY id;

-- of_code --
-- The Jobs that a project's code declares.
SELECT * FROM jobs WHERE project_id = $1 AND source = 'CODE' ORDER BY id;

-- delete --
-- Deletes a Job.
DELETE FROM jobs WHERE project_id = $1 AND id = $2;

-- pause --
-- Pauses the Schedule of a Job, with the reason.
UPDATE jobs
SET state = 'PAUSED', reason = $3, firing = NULL, fires_at = NULL, updated_at = clock_timestamp()
WHERE project_id = $1 AND id = $2 AND state = 'ACTIVE'
RETURNING *;

-- resume --
-- Resumes the Schedule of a Job, from its next moment.
UPDATE jobs
SET state = 'ACTIVE', reason = NULL, firing = $3, fires_at = $4, updated_at = clock_timestamp()
WHERE project_id = $1 AND id = $2 AND state = 'PAUSED'
RETURNING *;

-- note_run --
-- Records that a JobRun of the Job has begun.
UPDATE jobs SET last_run_at = clock_timestamp() WHERE project_id = $1 AND id = $2;

-- take_due --
-- Jobs that are due and not locked by another transaction, locked until the transaction ends.
SELECT * FROM jobs WHERE fires_at <= $1 ORDER BY fires_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- move_on --
-- Advances a locked Job to its next moment, and records whether it has fired.
UPDATE jobs
SET firing = $3, fires_at = $4,
    last_run_at = CASE WHEN $5 THEN clock_timestamp() ELSE last_run_at END
WHERE project_id = $1 AND id = $2;

-- next_at --
-- When the next Job fires.
SELECT min(fires_at) FROM jobs;
