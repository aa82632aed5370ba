-- AuthSessions, and the Runs that make, check and mend them.

ALTER TABLE runs
    ADD COLUMN kind text NOT NULL DEFAULT 'api'
        CHECK (kind IN ('api', 'operation', 'check', 'create')),
    ADD COLUMN parent_id text REFERENCES runs (id) ON DELETE CASCADE,
    -- No foreign key: what happened to a session stays known when it is gone.
    ADD COLUMN auth_session_id text,
    ADD COLUMN session_plan text,
    -- Sealed, and wiped when the Run ends: a proxy, new parameters, the input of this Run alone.
    ADD COLUMN sealed_session bytea,
    -- The operation whose end puts this Run back into the queue, or did.
    ADD COLUMN waits_for text,
    ADD CHECK ((kind IN ('check', 'create')) = (parent_id IS NOT NULL)),
    ADD CHECK ((kind = 'api') OR (auth_session_id IS NOT NULL)),
    ADD CHECK (sealed_session IS NULL OR status IN ('pending', 'started'));

CREATE INDEX runs_parts ON runs (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX runs_waiting ON runs (waits_for) WHERE waits_for IS NOT NULL;
-- This row is the session's lock: whoever carries out the operation holds it, and nobody else.
CREATE UNIQUE INDEX runs_operation ON runs (project_id, auth_session_id)
    WHERE kind = 'operation' AND status IN ('pending', 'started');

CREATE TABLE auth_sessions (
    project_id uuid NOT NULL REFERENCES projects (id),
    id text NOT NULL,
    type text NOT NULL CHECK (type IN ('CREDENTIALS', 'RECORDER', 'RUNTIME')),
    status text NOT NULL CHECK (status IN ('PENDING', 'READY', 'EXPIRED')),
    source text NOT NULL DEFAULT 'API' CHECK (source IN ('API', 'CODE')),
    -- Grows with every state that a create made; what a Run's browser ends with is saved only
    -- into the generation that it began with.
    generation integer NOT NULL DEFAULT 0,
    -- Tells whether parameters are the same without keeping them.
    input_digest text,
    sealed_parameters bytea,
    sealed_state bytea,
    sealed_proxy bytea,
    -- A session of one Run, which goes with it.
    only_for text REFERENCES runs (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    checked_at timestamptz,
    PRIMARY KEY (project_id, id),
    CHECK ((status = 'READY') <= (sealed_state IS NOT NULL))
);

CREATE INDEX auth_sessions_only_for ON auth_sessions (only_for) WHERE only_for IS NOT NULL;
