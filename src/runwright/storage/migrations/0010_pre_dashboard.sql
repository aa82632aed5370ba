-- Who is signed in to the dashboard, links to sign in with, and what its pages are read from.

CREATE TABLE visits (
    secret_sha256 bytea PRIMARY KEY,
    key_id text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE sign_in_links (
    secret_sha256 bytea PRIMARY KEY,
    key_id text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);

-- Charts of a workspace or project over time, answered from the index alone.
CREATE INDEX runs_overview ON runs (workspace_id, created_at)
    INCLUDE (project_id, status, started_at, ended_at) WHERE kind = 'api';
CREATE INDEX runs_project_overview ON runs (project_id, created_at)
    INCLUDE (status, started_at, ended_at) WHERE kind = 'api';
-- What failed lately.
CREATE INDEX runs_failed ON runs (workspace_id, ended_at) WHERE status = 'failed' AND kind = 'api';
CREATE INDEX runs_project_failed ON runs (project_id, created_at, id)
    WHERE status = 'failed' AND kind = 'api';

-- What a Worker holds, as it told with its last beat: JSON.
ALTER TABLE workers ADD COLUMN pool text;
