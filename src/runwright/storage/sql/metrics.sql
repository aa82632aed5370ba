-- counters --
-- Counter totals over all connections.
SELECT name, label, sum(value) AS value FROM counters GROUP BY name, label;

-- queue --
-- The number of Runs and operations that wait for a Worker, and the age of the oldest; counting stops at a
-- limit, so that it stays fast.
SELECT count(*) AS count, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
FROM (
    SELECT created_at FROM runs
    WHERE status = 'pending' AND turn IS NOT NULL AND waits_for IS NULL
    LIMIT $1
) AS waiting;

-- started --
-- Runs and operations in progress.
SELECT count(*) FROM (SELECT FROM runs WHERE status = 'started' AND parent_id IS NULL LIMIT $1) AS started;

-- deliveries --
-- The number of pending Deliveries, and the age of the oldest.
SELECT count(*) AS count, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
FROM (SELECT created_at FROM deliveries WHERE status = 'pending' LIMIT $1) AS pending;

-- workers --
-- Workers heard from recently, with their own figures.
SELECT id, host, slots, figures FROM workers
WHERE heartbeat_at > now() - $1::interval
ORDER BY started_at LIMIT $2;

-- others --
-- The size of the database, and when pruning last completed.
SELECT pg_database_size(current_database()) AS size_bytes,
    (SELECT max(ended_at) FROM prunings WHERE is_complete) AS pruned_at;

-- publish --
-- Saves a Worker's own figures.
UPDATE workers SET figures = $2 WHERE id = $1;

-- observe --
-- Adds durations to a histogram.
SELECT runwright_observe($1, seconds) FROM unnest($2::double precision[]) AS seconds;

-- fold --
-- Merges the counters of closed connections, unless another process is doing so.
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock($1) AS is_mine
), gone AS (
    DELETE FROM counters
    WHERE connection <> 0 AND (SELECT is_mine FROM turn) AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = connection)
    RETURNING name, label, value
)
INSERT INTO counters (name, label, connection, value)
SELECT name, label, 0, sum(value) FROM gone GROUP BY name, label
ON CONFLICT (name, label, connection) DO UPDATE SET value = counters.value + excluded.value;
