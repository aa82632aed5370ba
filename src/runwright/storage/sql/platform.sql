-- first_workspace --
-- The workspace created on first startup.
SELECT * FROM workspaces ORDER BY created_at, id LIMIT 1;

-- add_workspace --
-- Inserts a workspace.
INSERT INTO workspaces (id, name) VALUES ($1, $2) RETURNING *;

-- add_key --
-- Inserts the hash of a new API key.
INSERT INTO api_keys (id, workspace_id, name, secret_sha256, scopes) VALUES ($1, $2, $3, $4, $5)
RETURNING *;

-- find_key --
-- The key with that hash.
SELECT * FROM api_keys WHERE secret_sha256 = $1;

-- keys --
-- The keys of a workspace, newest first.
SELECT * FROM api_keys WHERE workspace_id = $1 ORDER BY created_at DESC;

-- revoke_key --
-- Revokes a key.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE workspace_id = $1 AND id = $2
RETURNING *;

-- beat --
-- Records a Worker's heartbeat, and since when no gap between heartbeats exceeded half a silence. Half, because
-- when all Workers were cut off for less than a silence, as in a failover, the first one back must not declare
-- another one gone.
INSERT INTO workers (id, host, pid, slots, pool) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), pool = $5,
    steady_since = CASE WHEN workers.heartbeat_at < now() - $6::interval / 2 THEN now()
        ELSE workers.steady_since END;

-- ask_for_examinations --
-- Requests that every Worker examine its machine.
UPDATE workers SET examination_asked_at = clock_timestamp();

-- is_examination_due --
-- Whether a Worker was asked to examine its machine since it last did, or has not done so for too long.
SELECT coalesce(examination_asked_at > coalesce(examined_at, '-infinity'), false)
    OR coalesce(examined_at + $2::interval, started_at + $3::interval) < now()
FROM workers WHERE id = $1;

-- publish_findings --
-- Saves what a Worker found on its machine.
UPDATE workers SET findings = $2, examined_at = clock_timestamp() WHERE id = $1;

-- is_gone --
-- Whether a Worker has been silent for that long although it could have been heard: the database was up,
-- and the asking Worker was not cut off itself.
SELECT NOT EXISTS (
    SELECT FROM workers
    WHERE id = $1 AND (
        heartbeat_at > now() - $3::interval
        OR pg_postmaster_start_time() > now() - $3::interval
        OR EXISTS (
            SELECT FROM workers AS own
            WHERE own.id = $2 AND (
                own.heartbeat_at < now() - $3::interval / 2 OR own.steady_since > now() - $3::interval
            )
        )
    )
);

-- forget_worker --
-- Deletes a Worker that has shut down cleanly.
DELETE FROM workers WHERE id = $1;

-- forget_silent_workers --
-- Deletes Workers not heard from for an hour, provided that the asking Worker was heard from all that time: if
-- the database's clock jumped, all Workers would appear silent.
DELETE FROM workers WHERE heartbeat_at < now() - interval '1 hour' AND EXISTS (
    SELECT FROM workers AS own WHERE own.id = $1 AND own.steady_since < now() - interval '1 minute'
);
