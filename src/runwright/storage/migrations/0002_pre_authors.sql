-- What authors' code keeps and is given: entries of a project's stores, variables; recorded networks.

CREATE TABLE entries (
    project_id uuid NOT NULL REFERENCES projects (id),
    store text NOT NULL CHECK (store IN ('kv-store', 'cache')),
    key text NOT NULL,
    value text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, store, key)
);

CREATE TABLE variables (
    -- A workspace or a project.
    owner_id uuid NOT NULL,
    name text NOT NULL,
    sealed_value bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, name)
);

-- Grows whenever a variable that the project sees is set or unset.
ALTER TABLE projects ADD COLUMN variables_version integer NOT NULL DEFAULT 0;

ALTER TABLE runs ADD COLUMN save_har boolean NOT NULL DEFAULT false;
ALTER TABLE files DROP CONSTRAINT files_kind_check;
ALTER TABLE files ADD CHECK (kind IN ('trace', 'har', 'download', 'file'));

-- To tell which Deployments no Run needs.
CREATE INDEX runs_deployment ON runs (deployment_id);

ALTER TABLE deployments ADD COLUMN workspace_id uuid REFERENCES workspaces (id);
UPDATE deployments SET workspace_id = projects.workspace_id
FROM projects WHERE projects.id = deployments.project_id;
ALTER TABLE deployments ALTER COLUMN workspace_id SET NOT NULL;
