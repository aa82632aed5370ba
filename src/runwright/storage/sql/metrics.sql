-- counters --
-- What was counted, over all connections.
SELECT name, label, sum(value) AS value FROM counters GROUP BY name, label;

-- queue --
-- Runs and operations that wait for a Worker, and since when the oldest of them does; no more than
-- are counted in a moment.
SELECT count(*) AS count, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
FROM (
    SELECT created_at FROM runs
    WHERE status = 'pending' AND turn IS NOT NULL AND waits_for IS NULL
    LIMIT $1
) AS waiting;

-- started --
-- Runs and operations that are under way.
SELECT count(*) FROM (SELECT FROM runs WHERE status = 'started' AND parent_id IS NULL LIMIT $1) AS started;

-- deliveries --
-- Deliveries that are still to be made, and since when the oldest of them is.
SELECT count(*) AS count, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
FROM (SELECT created_at FROM deliveries WHERE status = 'pending' LIMIT $1) AS pending;

-- workers --
-- Workers that were heard of lately, and what they say of themselves.
SELECT id, host, slots, figures FROM workers
WHERE heartbeat_at > now() - $1::interval
ORDER BY started_at LIMIT $2;

-- others --
-- What the database takes, and when pruning last came to its end.
SELECT pg_database_size(current_database()) AS size_bytes,
    (SELECT max(ended_at) FROM prunings WHERE is_complete) AS pruned_at;

-- publish --
-- Keeps what a Worker says of itself.
UPDATE workers SET figures = $2 WHERE id = $1;

-- observe --
-- Adds durations to a histogram.
SELECT runwright_observe($1, seconds) FROM unnest($2::double precision[]) AS seconds;

-- fold --
-- Adds up the counters of connections that are gone, unless another does it just now.
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
