-- begin --
-- Stores the hash of a new dashboard session's secret, and deletes expired sessions.
WITH over AS (
    DELETE FROM visits WHERE expires_at < clock_timestamp()
), gone AS (
    DELETE FROM sign_in_links WHERE expires_at < clock_timestamp()
)
INSERT INTO visits (secret_sha256, key_id, expires_at) VALUES ($1, $2, clock_timestamp() + $3);

-- find --
-- The API key of the dashboard session with that hash, if both are valid.
SELECT api_keys.* FROM visits JOIN api_keys ON api_keys.id = visits.key_id
WHERE visits.secret_sha256 = $1 AND visits.expires_at > clock_timestamp()
    AND api_keys.revoked_at IS NULL;

-- end_visit --
-- Ends a dashboard session.
DELETE FROM visits WHERE secret_sha256 = $1;

-- add_link --
-- Stores the hash of a sign-in link.
INSERT INTO sign_in_links (secret_sha256, key_id, expires_at) VALUES ($1, $2, clock_timestamp() + $3);

-- redeem --
-- Uses up a single-use link; returns its API key.
WITH taken AS (
    DELETE FROM sign_in_links WHERE secret_sha256 = $1 RETURNING key_id, expires_at
)
SELECT api_keys.* FROM taken JOIN api_keys ON api_keys.id = taken.key_id
WHERE taken.expires_at > clock_timestamp() AND api_keys.revoked_at IS NULL;
