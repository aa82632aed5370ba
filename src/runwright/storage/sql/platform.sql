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
-- Says that a Worker is alive.
INSERT INTO workers (id, host, pid, slots) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now();

-- forget_worker --
-- A Worker has stopped in good order.
DELETE FROM workers WHERE id = $1;

-- forget_silent_workers --
-- Workers that have not been heard of for an hour.
DELETE FROM workers WHERE heartbeat_at < now() - interval '1 hour';

-- live_workers --
-- How many Workers are alive.
SELECT count(*) FROM workers WHERE heartbeat_at > now() - $1::interval;
