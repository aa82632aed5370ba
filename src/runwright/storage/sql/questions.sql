-- ask --
-- Inserts an Attempt's Question, under its fence, and notifies those who follow the Run.
WITH asked AS (
    INSERT INTO questions (id, run_id, attempt, fence, text, is_secret, expires_at)
    SELECT $1, id, attempt, fence, $4, $5, clock_timestamp() + $6::interval
    FROM runs WHERE id = $2 AND fence = $3 AND status = 'started'
    RETURNING *
)
SELECT asked.*, pg_notify('runwright', 'run:' || run_id) FROM asked;

-- sinks --
-- The Sinks for the outcomes of a Run, and the default Sink of its Deployment.
SELECT runs.sealed_sink AS run_sink, deployments.sealed_sink AS deployment_sink
FROM runs JOIN deployments ON deployments.id = runs.deployment_id
WHERE runs.id = $1;

-- open --
-- The Question that is currently waiting for an answer: of a Run, of its checks and creates, or of those of the
-- operation that it waits for.
SELECT questions.* FROM questions
JOIN runs ON runs.id = questions.run_id AND runs.fence = questions.fence AND runs.status = 'started'
WHERE questions.ended_at IS NULL AND questions.answered_at IS NULL
    AND questions.expires_at > clock_timestamp()
    AND (
        runs.id = $1 OR runs.parent_id = $1
        OR runs.parent_id = (SELECT asking.waits_for FROM runs AS asking WHERE asking.id = $1)
    )
ORDER BY questions.asked_at DESC
LIMIT 1;

-- open_of_workspace --
-- The Questions that are currently waiting for an answer, oldest first.
SELECT questions.*, runs.project_id, runs.api, projects.name AS project_name,
    coalesce(runs.parent_id, runs.id) AS shown_run_id
FROM questions
JOIN runs ON runs.id = questions.run_id AND runs.fence = questions.fence AND runs.status = 'started'
JOIN projects ON projects.id = runs.project_id
WHERE questions.ended_at IS NULL AND questions.answered_at IS NULL
    AND questions.expires_at > clock_timestamp() AND runs.workspace_id = $1
ORDER BY questions.asked_at
LIMIT 100;

-- answer --
-- Stores the answer to an open Question and notifies the waiting Attempt.
WITH answered AS (
    UPDATE questions SET sealed_answer = $2, answered_at = clock_timestamp()
    WHERE id = $1 AND answered_at IS NULL AND ended_at IS NULL AND expires_at > clock_timestamp()
    RETURNING *
)
SELECT id, pg_notify('runwright', 'question:' || id), pg_notify('runwright', 'run:' || run_id)
FROM answered;

-- take --
-- Returns the answer to a Question and deletes it.
WITH found AS (
    SELECT id, sealed_answer FROM questions
    WHERE id = $1 AND answered_at IS NOT NULL AND ended_at IS NULL
    FOR UPDATE
), ended AS (
    UPDATE questions SET ended_at = clock_timestamp(), sealed_answer = NULL
    FROM found WHERE questions.id = found.id
)
SELECT sealed_answer FROM found;

-- end --
-- Ends a Question that nobody waits for anymore, and notifies those who follow the Run.
WITH ended AS (
    UPDATE questions SET ended_at = clock_timestamp(), sealed_answer = NULL
    WHERE id = $1 AND ended_at IS NULL
    RETURNING run_id
)
SELECT pg_notify('runwright', 'run:' || run_id) FROM ended;

-- forget_untaken --
-- Deletes answers whose Attempt ended before receiving them.
UPDATE questions SET ended_at = clock_timestamp(), sealed_answer = NULL
WHERE ended_at IS NULL AND expires_at < clock_timestamp() - interval '1 minute';
