-- set --
-- Saves a sealed variable of a workspace or project.
INSERT INTO variables (owner_id, name, sealed_value) VALUES ($1, $2, $3)
ON CONFLICT (owner_id, name) DO UPDATE SET sealed_value = excluded.sealed_value, updated_at = now();

-- unset --
-- Deletes a variable.
DELETE FROM variables WHERE owner_id = $1 AND name = $2 RETURNING name;

-- list --
-- The variables of a workspace or project.
SELECT name, sealed_value, updated_at FROM variables WHERE owner_id = $1 ORDER BY name;

-- renew --
-- Marks the variables as changed for every project that sees the owner's.
UPDATE projects SET variables_version = variables_version + 1 WHERE id = $1 OR workspace_id = $1;
