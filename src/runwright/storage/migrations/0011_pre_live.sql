-- What Attempts ask of people, and who wants to watch a Run.

CREATE TABLE questions (
    id text PRIMARY KEY,
    run_id text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    -- Of the Attempt that asks; under another one nobody waits for the answer any more.
    fence integer NOT NULL,
    text text NOT NULL,
    is_secret boolean NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    answered_at timestamptz,
    -- Only until the Attempt has it.
    sealed_answer bytea,
    ended_at timestamptz,
    CHECK (sealed_answer IS NULL OR ended_at IS NULL)
);

CREATE INDEX questions_run ON questions (run_id);
CREATE INDEX questions_open ON questions (asked_at) WHERE ended_at IS NULL;

-- Each is taken by the Worker that holds the Run, within seconds, or given up.
CREATE TABLE live_requests (
    id text PRIMARY KEY,
    run_id text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- Where the Worker reaches the very server that asks.
    server_url text NOT NULL,
    can_control boolean NOT NULL,
    -- As a person would call them, for the Run's log.
    watcher text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX live_requests_run ON live_requests (run_id);
