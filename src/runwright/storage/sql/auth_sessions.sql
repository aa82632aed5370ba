-- insert --
-- Inserts an AuthSession, unless the id is taken.
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
-- One AuthSession.
SELECT * FROM auth_sessions WHERE project_id = $1 AND id = $2;

-- lock --
-- One AuthSession, locked until the transaction ends.
SELECT * FROM auth_sessions WHERE project_id = $1 AND id = $2 FOR UPDATE;

-- list --
-- The AuthSessions of a project.
SELECT * FROM auth_sessions WHERE project_id = $1 ORDER BY id;

-- of_code --
-- The AuthSessions that a project's code declares, locked until the transaction ends.
SELECT * FROM auth_sessions WHERE project_id = $1 AND source = 'CODE' ORDER BY id FOR UPDATE;

-- forget --
-- Deletes an AuthSession.
DELETE FROM auth_sessions WHERE project_id = $1 AND id = $2 RETURNING id;

-- renew --
-- Stores the state made by a create, with the inputs it was made from.
UPDATE auth_sessions
SET status = 'READY', generation = nextval('auth_session_generations'), sealed_state = $3, input_digest = $4,
    sealed_parameters = coalesce($5, sealed_parameters), sealed_proxy = coalesce($6, sealed_proxy),
    updated_at = clock_timestamp(), checked_at = clock_timestamp()
WHERE project_id = $1 AND id = $2
RETURNING id;

-- pass --
-- Records that a check of that generation's state passed, and the browser's final state.
UPDATE auth_sessions
SET status = 'READY', sealed_state = coalesce($4, sealed_state), checked_at = clock_timestamp()
WHERE project_id = $1 AND id = $2 AND generation = $3
    AND (
        $4::bytea IS NOT NULL OR status <> 'READY' OR checked_at IS NULL
        OR checked_at < clock_timestamp() - interval '1 second'
    );

-- save --
-- Stores the final state of a Run's browser, unless a create came in between.
UPDATE auth_sessions SET sealed_state = $4
WHERE project_id = $1 AND id = $2 AND generation = $3 AND status = 'READY';

-- expire --
-- Records that the state of that generation is no longer valid.
UPDATE auth_sessions SET status = 'EXPIRED', updated_at = clock_timestamp()
WHERE project_id = $1 AND id = $2 AND generation = $3 AND status <> 'EXPIRED';

-- forget_unmade --
-- Deletes an AuthSession whose first create failed, and that only that request wanted.
DELETE FROM auth_sessions
WHERE project_id = $1 AND id = $2 AND sealed_state IS NULL AND source = 'API';
