-- What results of an Api usually look like, and the Runs whose results do not.

CREATE TABLE result_profiles (
    project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    api text NOT NULL,
    is_watched boolean NOT NULL DEFAULT true,
    -- JSON: the shapes of the latest Runs, and of those in a row that drifted.
    shapes text NOT NULL DEFAULT '{"usual": [], "drifted": []}',
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (project_id, api)
);

ALTER TABLE runs
    -- Why its result is marked, as JSON.
    ADD COLUMN drift text,
    -- Those before this was there stay as they are.
    ADD COLUMN is_examined boolean NOT NULL DEFAULT true;
ALTER TABLE runs ALTER COLUMN is_examined SET DEFAULT false;

CREATE INDEX runs_unexamined ON runs (ended_at)
    WHERE status = 'completed' AND kind = 'api' AND NOT is_examined;
CREATE INDEX runs_drifted ON runs (project_id, created_at DESC) WHERE drift IS NOT NULL;
