-- first_workspace --
-- The workspace made at the first start.
SELECT * FROM workspaces ORDER BY created_at, id LIMIT 1;

-- add_workspace --
-- Makes a workspace.
INSERT INTO workspaces (id, name) VALUES ($1, $2) RETURNING *;

-- add_key --
-- Keeps the hash of a new API key.
INSERT INTO api_keys (id, workspace_id, name, secret_sha256, scopes) VALUES ($1, $2, $3, $4, $5)
RETURNING *;

-- find_key --
-- The key with that hash.
SELECT * FROM api_keys WHERE secret_sha256 = $1;

-- keys --
-- The keys of a workspace, newest first.
SELECT * FROM api_keys WHERE workspace_id = $1 ORDER BY created_at DESC;

-- revoke_key --
-- Makes a key worthless.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE workspace_id = $1 AND id = $2
RETURNING *;

-- beat --
-- Says that a Worker is alive, and since when there was no gap half as long as a silence between two beats. Half:
-- where all were cut off for less than that, as by a failover, the first that is back must not take the next for gone.
INSERT INTO workers (id, host, pid, slots, pool) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), pool = $5,
    steady_since = CASE WHEN workers.heartbeat_at < now() - $6::interval / 2 THEN now()
        ELSE workers.steady_since END;

-- ask_for_examinations --
-- Notes that every Worker is to examine its machine.
UPDATE workers SET examination_asked_at = clock_timestamp();

-- is_examination_due --
-- Whether a Worker was asked to examine its machine since it last did, or has not done so for long.
SELECT coalesce(examination_asked_at > coalesce(examined_at, '-infinity'), false)
    OR coalesce(examined_at + $2::interval, started_at + $3::interval) < now()
FROM workers WHERE id = $1;

-- publish_findings --
-- Keeps what a Worker found on its machine.
UPDATE workers SET findings = $2, examined_at = clock_timestamp() WHERE id = $1;

-- is_gone --
-- Whether a Worker is silent for so long although it could have been heard: the database has been there,
-- and the Worker that asks was not cut off itself.
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
-- A Worker has stopped in good order.
DELETE FROM workers WHERE id = $1;

-- forget_silent_workers --
-- Workers that have not been heard of for an hour, while the Worker that asks was heard of all the time: where
-- the database's clock has jumped, all seem to have been silent.
DELETE FROM workers WHERE heartbeat_at < now() - interval '1 hour' AND EXISTS (
    SELECT FROM workers AS own WHERE own.id = $1 AND own.steady_since < now() - interval '1 minute'
);
