-- What finding the old needs, and what pruning has done.

CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL AND parent_id IS NULL;
CREATE INDEX files_created ON files (created_at, id);
CREATE INDEX files_blob ON files (blob);
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE run_id IS NULL AND ended_at IS NOT NULL;

CREATE TABLE prunings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- False when its time was up before everything due was gone.
    is_complete boolean NOT NULL,
    -- By kind: how many, how many bytes.
    removed jsonb NOT NULL
);

CREATE INDEX prunings_newest ON prunings (started_at DESC);
