-- get --
-- The value of a key in one of a project's stores.
SELECT value FROM entries WHERE project_id = $1 AND store = $2 AND key = $3;

-- put --
-- Stores a value under a key.
INSERT INTO entries (project_id, store, key, value) VALUES ($1, $2, $3, $4)
ON CONFLICT (project_id, store, key) DO UPDATE SET value = excluded.value, updated_at = now();
