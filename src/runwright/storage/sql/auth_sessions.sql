-- insert --
-- Makes a session, unless one of that id is there.
INSERT INTO auth_sessions (
    project_id, id, type, status, source, generation, input_digest, sealed_parameters, sealed_state,
    sealed_proxy, only_for
)
VALUES ($1, $2, $3, $4, $5,
    CASE WHEN $8::bytea IS NULL THEN 0 ELSE nextval('auth_session_generations') END,
    $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
RETURNING id;

-- get --
-- One session.
SELECT * FROM auth_sessions WHERE project_id = $1 AND id = $2;

-- lock --
-- One session, held until the transaction ends.
SELECT * FROM auth_sessions WHERE project_id = $1 AND id = $2 FOR UPDATE;

-- list --
-- The sessions of a project.
SELECT * FROM auth_sessions WHERE project_id = $1 ORDER BY id;

-- of_code --
-- The sessions that a project's code declares, held until the transaction ends.
SELECT * FROM auth_sessions WHERE project_id = $1 AND source = 'CODE' ORDER BY id FOR UPDATE;

-- forget --
-- Forgets a session.
DELETE FROM auth_sessions WHERE project_id = $1 AND id = $2 RETURNING id;

-- renew --
-- Puts a state that a create made into a session, with what it was made from.
UPDATE auth_sessions
SET status = 'READY', generation = nextval('auth_session_generations'), sealed_state = $3, input_digest = $4,
    sealed_parameters = coalesce($5, sealed_parameters), sealed_proxy = coalesce($6, sealed_proxy),
    updated_at = clock_timestamp(), checked_at = clock_timestamp()
WHERE project_id = $1 AND id = $2
RETURNING id;

-- pass --
-- Notes that a check of the state of that generation has passed, and what its browser ended with.
UPDATE auth_sessions
SET status = 'READY', sealed_state = coalesce($4, sealed_state), checked_at = clock_timestamp()
WHERE project_id = $1 AND id = $2 AND generation = $3
    AND (
        $4::bytea IS NOT NULL OR status <> 'READY' OR checked_at IS NULL
        OR checked_at < clock_timestamp() - interval '1 second'
    );

-- save --
-- Keeps what a Run's browser ended with, unless a create came between.
UPDATE auth_sessions SET sealed_state = $4
WHERE project_id = $1 AND id = $2 AND generation = $3 AND status = 'READY';

-- expire --
-- Notes that the state of that generation is no longer good.
UPDATE auth_sessions SET status = 'EXPIRED', updated_at = clock_timestamp()
WHERE project_id = $1 AND id = $2 AND generation = $3 AND status <> 'EXPIRED';

-- forget_unmade --
-- Forgets a session whose first create has failed, and which nothing but that request wanted.
DELETE FROM auth_sessions
WHERE project_id = $1 AND id = $2 AND sealed_state IS NULL AND source = 'API';
