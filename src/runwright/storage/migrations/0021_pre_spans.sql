-- How many Runs ended in which way, by spans of time: charts of long windows are read from here, and from
-- `runs` alone what has ended since. Filled by Workers now and then, so that no Run waits for it.

CREATE TABLE run_spans (
    -- A workspace, or a project.
    owner_id uuid NOT NULL,
    length interval NOT NULL,
    begins_at timestamptz NOT NULL,
    status text NOT NULL,
    -- Of its duration, as `domain/insight/overview` has them; -1 where it never started.
    class smallint NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY (owner_id, length, begins_at, status, class)
);

-- One row: Runs that ended until then are in `run_spans`, later ones are not.
CREATE TABLE run_spans_filled (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    until timestamptz NOT NULL DEFAULT 'epoch'
);

INSERT INTO run_spans_filled DEFAULT VALUES;
