-- lock --
-- The time up to which spans are filled, locked for the caller to fill them. No row when another is filling them.
SELECT until FROM run_spans_filled FOR UPDATE SKIP LOCKED;

-- bound --
-- The time up to which spans can be filled now: any transaction that may still commit a Run's end began later,
-- and so the end is later too. With more than $2 Runs, the end of the last one in the batch.
SELECT coalesce(of_many.ended_at, settled.at) AS bound, of_many.ended_at IS NOT NULL AS is_more
FROM (
    SELECT least(min(xact_start), clock_timestamp()) - interval '5 seconds' AS at
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
) AS settled
LEFT JOIN LATERAL (
    SELECT ended_at FROM runs
    WHERE ended_at > $1 AND ended_at <= settled.at AND parent_id IS NULL
    ORDER BY ended_at OFFSET $2 - 1 LIMIT 1
) AS of_many ON true
WHERE settled.at > $1;

-- fill --
-- Adds the Runs that ended after $1 and up to $2 to the spans of their workspace and project.
INSERT INTO run_spans (owner_id, length, begins_at, status, class, number)
SELECT owner_id, length, date_bin(length, created_at, 'epoch'), status,
    runwright_duration_class(started_at, ended_at, $3, $4, $5) AS class,
    count(*)
FROM runs,
    LATERAL (VALUES (workspace_id), (project_id)) AS owners (owner_id),
    (VALUES (interval '1 hour', interval '2 days'), (interval '6 hours', interval '31 days'))
        AS lengths (length, life)
WHERE ended_at > $1 AND ended_at <= $2 AND parent_id IS NULL AND kind = 'api'
    AND created_at > now() - life
GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (owner_id, length, begins_at, status, class)
    DO UPDATE SET number = run_spans.number + excluded.number;

-- move --
-- Records the time up to which spans are filled.
UPDATE run_spans_filled SET until = $1;

-- forget --
-- Deletes spans that no chart shows anymore.
DELETE FROM run_spans
WHERE (length = interval '1 hour' AND begins_at < now() - interval '2 days')
    OR (length = interval '6 hours' AND begins_at < now() - interval '31 days');
