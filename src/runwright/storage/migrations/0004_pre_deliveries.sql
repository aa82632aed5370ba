-- Sinks of Runs, Deliveries and their tries, and what webhooks are signed with.

ALTER TABLE runs ADD COLUMN sealed_sink bytea;
-- What the project's settings say where a Run says nothing.
ALTER TABLE deployments ADD COLUMN sealed_sink bytea;

CREATE TABLE deliveries (
    id text PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    run_id text REFERENCES runs (id) ON DELETE CASCADE,
    job_run_id text,
    kind text NOT NULL CHECK (kind IN ('webhook', 's3')),
    target text NOT NULL,
    sealed_sink bytea NOT NULL,
    -- Of a notification; that of a Run is made from the Run.
    body text,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'exhausted')),
    tries integer NOT NULL DEFAULT 0,
    -- Where the window of tries begins, and how many of it have failed.
    first_try_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    fence integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    CHECK ((status = 'pending') = (ended_at IS NULL))
);

CREATE INDEX deliveries_newest ON deliveries (project_id, created_at DESC, id DESC);
CREATE INDEX deliveries_run ON deliveries (run_id);
CREATE INDEX deliveries_job_run ON deliveries (job_run_id) WHERE job_run_id IS NOT NULL;
CREATE INDEX deliveries_pending ON deliveries (created_at) WHERE status = 'pending';

CREATE TABLE delivery_tries (
    delivery_id text NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    duration interval NOT NULL,
    status_code integer,
    answer text,
    error text,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE webhook_secrets (
    id text PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects (id),
    sealed_secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Set when another has taken its place; it signs along until then.
    valid_until timestamptz
);

CREATE INDEX webhook_secrets_project ON webhook_secrets (project_id);
