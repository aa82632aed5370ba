-- request --
-- Asks the Worker that holds a Run to show it, if the Run still exists; drops requests that nobody took.
WITH dropped AS (
    DELETE FROM live_requests WHERE created_at < clock_timestamp() - interval '1 minute'
)
INSERT INTO live_requests (id, run_id, server_url, can_control, watcher)
SELECT $1, id, $3, $4, $5 FROM runs WHERE id = $2 FOR KEY SHARE
ON CONFLICT (id) DO UPDATE SET created_at = clock_timestamp();

-- take --
-- Takes the requests for the Runs that the Worker holds.
DELETE FROM live_requests
WHERE run_id = ANY ($1::text[]) AND created_at > clock_timestamp() - interval '1 minute'
RETURNING *;

-- withdraw --
-- Drops a request that nobody waits for anymore.
DELETE FROM live_requests WHERE id = $1;

-- is_silent --
-- Whether the Worker that holds a Run has been silent for that long.
SELECT NOT EXISTS (
    SELECT FROM runs JOIN workers ON workers.id = runs.worker_id
    WHERE runs.id = $1 AND workers.heartbeat_at > now() - $2::interval
);
