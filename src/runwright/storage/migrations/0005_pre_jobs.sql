-- Jobs, their JobRuns, and the Runs that are items of one.

CREATE TABLE jobs (
    project_id uuid NOT NULL REFERENCES projects (id),
    id text NOT NULL,
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    source text NOT NULL DEFAULT 'API' CHECK (source IN ('API', 'CODE')),
    state text NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'PAUSED')),
    -- JSON, as on the wire and without what is secret.
    payload text NOT NULL,
    configuration text NOT NULL,
    schedule text,
    session_plan text,
    -- The sink, the proxies and the notifications.
    sealed_secrets bytea,
    -- Why it is paused, as JSON.
    reason text,
    -- The next moment that the Schedule names, and when it really fires: put off by its jitter.
    firing timestamptz,
    fires_at timestamptz,
    last_run_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (project_id, id),
    CHECK ((firing IS NULL) = (fires_at IS NULL)),
    CHECK (firing IS NULL OR state = 'ACTIVE')
);

CREATE INDEX jobs_due ON jobs (fires_at) WHERE fires_at IS NOT NULL;

CREATE TABLE job_runs (
    id text PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    project_id uuid NOT NULL REFERENCES projects (id),
    -- No foreign key: what happened stays known when the Job is gone.
    job_id text NOT NULL,
    -- One that has ended does not keep its Deployment.
    deployment_id uuid REFERENCES deployments (id) ON DELETE SET NULL,
    type text NOT NULL CHECK (type IN ('MANUAL', 'SCHEDULED')),
    status text NOT NULL CHECK (status IN ('PENDING', 'PAUSING', 'PAUSED', 'RESUMING', 'SUCCESS',
        'FAILURE', 'TERMINATED', 'CANCELED', 'COMPLETED')),
    -- The Job as it was when this began.
    configuration text NOT NULL,
    session_plan text,
    sealed_secrets bytea,
    auth_session_id text,
    -- The operation that sees to the session, and whether the session was good.
    waits_for text,
    is_session_good boolean NOT NULL,
    -- Of the Schedule's moment that it is for.
    firing timestamptz,
    reason text,
    idempotency_key text,
    request_sha256 bytea,
    -- Counted from the items as long as there are any that have not ended, kept here from then on.
    payloads integer,
    successful_runs integer,
    failed_runs integer,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    CHECK ((status IN ('SUCCESS', 'FAILURE', 'TERMINATED', 'CANCELED', 'COMPLETED'))
        = (ended_at IS NOT NULL)),
    CHECK ((payloads IS NULL) = (successful_runs IS NULL) AND (payloads IS NULL) = (failed_runs IS NULL))
);

CREATE INDEX job_runs_newest ON job_runs (project_id, job_id, created_at DESC, id DESC);
-- A Job has one active JobRun, and a session belongs to one.
CREATE UNIQUE INDEX job_runs_active ON job_runs (project_id, job_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX job_runs_session ON job_runs (project_id, auth_session_id)
    WHERE ended_at IS NULL AND auth_session_id IS NOT NULL;
CREATE UNIQUE INDEX job_runs_idempotency ON job_runs (project_id, job_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- In which something is still to be done.
CREATE INDEX job_runs_open ON job_runs (created_at) WHERE ended_at IS NULL OR payloads IS NULL;
CREATE INDEX job_runs_operation ON job_runs (waits_for) WHERE waits_for IS NOT NULL;

ALTER TABLE runs
    ADD COLUMN job_run_id text REFERENCES job_runs (id) ON DELETE CASCADE,
    -- The place among the items of its JobRun.
    ADD COLUMN position integer,
    -- An item has no turn until its JobRun feeds it into the queue.
    ALTER COLUMN turn DROP NOT NULL,
    ADD CHECK ((job_run_id IS NULL) = (position IS NULL)),
    ADD CHECK (turn IS NOT NULL OR job_run_id IS NOT NULL);

CREATE UNIQUE INDEX runs_items ON runs (job_run_id, position) WHERE job_run_id IS NOT NULL;
CREATE INDEX runs_held ON runs (job_run_id, position)
    WHERE job_run_id IS NOT NULL AND turn IS NULL AND status IN ('pending', 'started');
CREATE INDEX runs_fed ON runs (job_run_id)
    WHERE job_run_id IS NOT NULL AND turn IS NOT NULL AND status IN ('pending', 'started');
