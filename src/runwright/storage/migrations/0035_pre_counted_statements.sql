-- Runs are counted once for a statement: a counter that one transaction raises row by row is read through all its
-- versions each time, so that 100,000 Runs at once took hours.

CREATE OR REPLACE FUNCTION runwright_count_run() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM runwright_count('runs', kind || ':' || status, n)
    FROM (
        SELECT ended.kind, ended.status, count(*) AS n
        FROM ended JOIN before ON before.id = ended.id
        WHERE before.ended_at IS NULL AND ended.ended_at IS NOT NULL
        GROUP BY ended.kind, ended.status ORDER BY ended.kind, ended.status
    ) AS counted;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION runwright_count_accepted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM runwright_count('runs_accepted', kind, n)
    FROM (SELECT kind, count(*) AS n FROM accepted GROUP BY kind ORDER BY kind) AS counted;
    RETURN NULL;
END $$;

DROP TRIGGER runs_counted ON runs;
CREATE TRIGGER runs_counted AFTER UPDATE ON runs
REFERENCING OLD TABLE AS before NEW TABLE AS ended
FOR EACH STATEMENT EXECUTE FUNCTION runwright_count_run();

DROP TRIGGER runs_accepted_counted ON runs;
CREATE TRIGGER runs_accepted_counted AFTER INSERT ON runs
REFERENCING NEW TABLE AS accepted
FOR EACH STATEMENT EXECUTE FUNCTION runwright_count_accepted();
