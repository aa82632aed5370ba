-- What is counted for metrics; what ties a Run to its request; Runs that wait in vain.

ALTER TABLE runs
    ADD COLUMN correlation_id text,
    -- A W3C trace context, where the request had one or traces are on.
    ADD COLUMN trace_parent text,
    -- Canceled unless it has begun by then.
    ADD COLUMN expires_at timestamptz;

CREATE INDEX runs_expiring ON runs (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;

-- What a Worker that answers no HTTP says of itself with its heartbeat.
ALTER TABLE workers ADD COLUMN figures jsonb NOT NULL DEFAULT '{}';

-- Counters that are equal to what was committed, whichever process did it. A row belongs to one
-- connection, so none waits for another and none can deadlock; the rows of connections that are gone
-- are folded into one.
CREATE TABLE counters (
    name text NOT NULL,
    label text NOT NULL,
    connection integer NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (name, label, connection)
) WITH (fillfactor = 50);

CREATE FUNCTION runwright_count(name text, label text, value double precision) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO counters (name, label, connection, value) VALUES ($1, $2, pg_backend_pid(), $3)
    ON CONFLICT (name, label, connection) DO UPDATE SET value = counters.value + excluded.value
$$;

-- Adds a duration to a histogram: to the bucket it falls into alone, and to the sum.
CREATE FUNCTION runwright_observe(name text, seconds double precision) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM runwright_count(name, (ARRAY['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1',
        '2.5', '5', '10', '30', '60', '300', '1800', '+Inf'])[
        1 + width_bucket(seconds - 1e-9, ARRAY[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
            2.5, 5, 10, 30, 60, 300, 1800]::double precision[])], 1);
    PERFORM runwright_count(name, 'sum', seconds);
END $$;

CREATE FUNCTION runwright_count_attempt() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    accepted_at timestamptz;
BEGIN
    -- Not parsed as JSON: a message may hold what PostgreSQL's does not.
    PERFORM runwright_count('attempts', NEW.status || ':' || coalesce(
        substring(NEW.failure FROM '^\{"code": "([a-z-]+)"'), ''), 1);
    IF NEW.author_started_at IS NOT NULL THEN
        PERFORM runwright_observe('attempt_seconds',
            greatest(extract(epoch FROM NEW.ended_at - NEW.author_started_at), 0));
        IF NEW.number = 1 THEN
            SELECT created_at INTO accepted_at FROM runs
            WHERE id = NEW.run_id AND kind = 'api' AND auth_session_id IS NULL AND job_run_id IS NULL;
            IF FOUND THEN
                PERFORM runwright_observe('dispatch_seconds',
                    greatest(extract(epoch FROM NEW.author_started_at - accepted_at), 0));
            END IF;
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER attempts_counted AFTER UPDATE ON attempts
FOR EACH ROW WHEN (OLD.status = 'started' AND NEW.status <> 'started')
EXECUTE FUNCTION runwright_count_attempt();

CREATE FUNCTION runwright_count_run() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM runwright_count('runs', NEW.kind || ':' || NEW.status, 1);
    RETURN NULL;
END $$;

CREATE TRIGGER runs_counted AFTER UPDATE ON runs
FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
EXECUTE FUNCTION runwright_count_run();

CREATE FUNCTION runwright_count_accepted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM runwright_count('runs_accepted', NEW.kind, 1);
    RETURN NULL;
END $$;

CREATE TRIGGER runs_accepted_counted AFTER INSERT ON runs
FOR EACH ROW EXECUTE FUNCTION runwright_count_accepted();

CREATE FUNCTION runwright_count_try() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM runwright_count('delivery_tries',
        CASE WHEN NEW.error IS NULL THEN 'delivered' ELSE 'failed' END, 1);
    RETURN NULL;
END $$;

CREATE TRIGGER delivery_tries_counted AFTER INSERT ON delivery_tries
FOR EACH ROW EXECUTE FUNCTION runwright_count_try();

CREATE FUNCTION runwright_count_delivery() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM runwright_count('deliveries', NEW.status, 1);
    RETURN NULL;
END $$;

CREATE TRIGGER deliveries_counted AFTER UPDATE ON deliveries
FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
EXECUTE FUNCTION runwright_count_delivery();
