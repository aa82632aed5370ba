-- The first schema: workspaces, keys, projects, deployments, runs, attempts, logs, files.

CREATE TABLE workspaces (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id text PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    name text NOT NULL,
    secret_sha256 bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE projects (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    name text NOT NULL,
    current_deployment_id uuid,
    -- Copied from the current Deployment's settings, for the queue; 0 means no limit.
    max_concurrent_runs integer NOT NULL DEFAULT 0 CHECK (max_concurrent_runs >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, name)
);

CREATE TABLE deployments (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    number integer NOT NULL,
    bundle_sha256 text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'building', 'ready', 'failed')),
    manifest text,
    error text,
    progress text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    UNIQUE (project_id, number),
    CHECK ((status = 'ready') <= (manifest IS NOT NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL))
);

ALTER TABLE projects ADD FOREIGN KEY (current_deployment_id) REFERENCES deployments (id);

CREATE TABLE runs (
    id text PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    project_id uuid NOT NULL REFERENCES projects (id),
    deployment_id uuid NOT NULL REFERENCES deployments (id),
    api text NOT NULL,
    -- JSON kept as text: jsonb would refuse \u0000 and lone surrogates, and reorder keys.
    parameters text NOT NULL,
    -- Sealed: it may hold credentials.
    sealed_proxy bytea,
    save_trace boolean NOT NULL,
    request_timeout interval NOT NULL,
    maximum_attempts integer NOT NULL CHECK (maximum_attempts >= 1),
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'started', 'completed', 'failed', 'canceled')),
    attempt integer NOT NULL DEFAULT 0,
    -- Grows with every claim; a write names the fence it was claimed under.
    fence integer NOT NULL DEFAULT 0,
    -- The place in the fair order over all projects; see control/runs/runs.py.
    turn bigint NOT NULL,
    worker_id uuid,
    cancel_requested_at timestamptz,
    result text,
    extended_payloads text,
    failure text,
    cancellation text,
    attributes jsonb NOT NULL DEFAULT '{}',
    idempotency_key text,
    request_sha256 bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    ended_at timestamptz,
    CHECK ((status = 'completed') = (result IS NOT NULL)),
    CHECK ((status = 'failed') = (failure IS NOT NULL)),
    CHECK ((status = 'canceled') = (cancellation IS NOT NULL)),
    CHECK ((status IN ('completed', 'failed', 'canceled')) = (ended_at IS NOT NULL))
);

CREATE INDEX runs_newest ON runs (project_id, created_at DESC, id DESC);
CREATE INDEX runs_turn ON runs (turn) WHERE status = 'pending';
CREATE INDEX runs_project_turn ON runs (project_id, turn) WHERE status = 'pending';
CREATE INDEX runs_active ON runs (worker_id) WHERE status = 'started';
CREATE UNIQUE INDEX runs_idempotency ON runs (project_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE attempts (
    run_id text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number integer NOT NULL,
    fence integer NOT NULL,
    worker_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'started'
        CHECK (status IN ('started', 'completed', 'failed', 'canceled')),
    failure text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    author_started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (run_id, number),
    CHECK ((status = 'started') = (ended_at IS NULL))
);

CREATE TABLE log_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    at timestamptz NOT NULL,
    stream text NOT NULL,
    level text NOT NULL,
    text text NOT NULL
);

CREATE INDEX log_lines_run ON log_lines (run_id, id);

CREATE TABLE files (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('trace', 'download', 'file')),
    name text NOT NULL,
    size_bytes bigint NOT NULL,
    blob text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX files_run ON files (run_id);

CREATE TABLE workers (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    slots integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
);
