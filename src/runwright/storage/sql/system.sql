-- facts --
-- The database's version, size and contents.
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size_bytes,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
    current_setting('max_connections')::integer AS max_connections,
    (SELECT max(number) FROM schema_migrations) AS migration,
    (SELECT created_at FROM runs WHERE workspace_id = $1 AND kind = 'api' ORDER BY created_at LIMIT 1)
        AS oldest_run_at;

-- tables --
-- The largest tables, including their indexes.
SELECT relname AS name, pg_total_relation_size(relid) AS size_bytes, n_live_tup AS rows
FROM pg_stat_user_tables
ORDER BY 2 DESC
LIMIT 8;
