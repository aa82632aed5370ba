"""Fills a migrated database with a busy installation's month, using set-based statements.

`rid` derives ids from numbers, so that a row can refer to another without looking up its id.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import asyncpg

ENDED, WAITING, HELD, STARTED = 1_000_000, 100_000, 20_000, 200
PROJECTS, JOBS, JOB_RUNS, ITEMS = 20, 2_000, 50_000, 4
PENDING_DELIVERIES = 5_000

_SESSION = """
-- Neither foreign keys nor triggers are looked at: what they would do is done below.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET max_parallel_maintenance_workers = 2;
SET work_mem = '128MB';
"""

_BEGIN = """
CREATE FUNCTION rid(kind text, number bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN substr(md5(kind || number::text), 1, 21);
CREATE FUNCTION uid(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN md5(kind || number::text)::uuid;
CREATE FUNCTION rids(kind text, first integer, last integer) RETURNS text[] LANGUAGE sql IMMUTABLE
    RETURN ARRAY(SELECT rid(kind, n) FROM generate_series(first, last) AS n);
CREATE FUNCTION bundle(number bigint) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN md5((number / 2)::text) || md5((number / 2)::text);
CREATE FUNCTION bundles(first integer, last integer) RETURNS text[] LANGUAGE sql IMMUTABLE
    RETURN ARRAY(SELECT bundle(n) FROM generate_series(first, last) AS n);
CREATE FUNCTION blobs(first integer, last integer) RETURNS text[] LANGUAGE sql IMMUTABLE
    RETURN ARRAY(SELECT 'runs/' || n FROM generate_series(first, last) AS n);

-- Indexes are made after the rows.
CREATE TABLE dropped AS
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid IN ('runs'::regclass, 'deliveries'::regclass, 'files'::regclass, 'log_lines'::regclass,
        'pgqueuer'::regclass, 'pgqueuer_log'::regclass)
    AND NOT indisprimary;
DO $$
DECLARE each record;
BEGIN
    FOR each IN SELECT name FROM dropped LOOP EXECUTE 'DROP INDEX ' || each.name; END LOOP;
END $$;
"""

_PROJECTS = f"""
INSERT INTO workspaces (id, name) VALUES (uid('w', 1), 'main'), (uid('w', 2), 'other');
INSERT INTO api_keys (id, workspace_id, name, secret_sha256, scopes)
SELECT rid('key', n), uid('w', 1 + n % 2), 'k', sha256(n::text::bytea), '{{admin}}' FROM generate_series(1, 50) AS n;
INSERT INTO visits (secret_sha256, key_id, expires_at)
SELECT sha256(n::text::bytea), rid('key', 1), now() + n * interval '1 minute' FROM generate_series(1, 1000) AS n;
INSERT INTO projects (id, workspace_id, name, current_deployment_id, max_concurrent_runs)
SELECT uid('p', n), uid('w', 1 + n % 20 / 19), 'project-' || n, uid('d', n), n % 3
FROM generate_series(1, {PROJECTS}) AS n;
-- Of each project the one with its own number is current; others are old, and the last is being made.
INSERT INTO deployments (id, workspace_id, project_id, number, bundle_sha256, status, manifest, created_at, ended_at)
SELECT uid('d', n), projects.workspace_id, projects.id, 60 - n / {PROJECTS}, bundle(n), 'ready', '{{}}',
    now() - n * interval '1 hour', now() - n * interval '1 hour'
FROM generate_series(1, {PROJECTS} * 50) AS n JOIN projects ON projects.id = uid('p', 1 + (n - 1) % {PROJECTS});
INSERT INTO deployments (id, workspace_id, project_id, number, bundle_sha256, status)
SELECT uid('d', 0), uid('w', 1), uid('p', 1), 100, bundle(0), 'pending';
INSERT INTO variables (owner_id, name, sealed_value)
SELECT uid('p', 1 + n % {PROJECTS}), 'V' || n, 'x' FROM generate_series(1, 500) AS n;
INSERT INTO entries (project_id, store, key, value)
SELECT uid('p', 1 + n % {PROJECTS}), 'cache', 'k' || n, '1' FROM generate_series(1, 20000) AS n;
INSERT INTO webhook_secrets (id, project_id, sealed_secret, valid_until)
SELECT rid('ws', n), uid('p', 1 + n % {PROJECTS}), 'x', CASE WHEN n > {PROJECTS} THEN now() - interval '1 hour' END
FROM generate_series(1, 200) AS n;
INSERT INTO result_profiles (project_id, api)
SELECT uid('p', 1 + n % {PROJECTS}), 'api-' || n / {PROJECTS} FROM generate_series(0, 199) AS n;
INSERT INTO auth_sessions (project_id, id, type, status, sealed_state, updated_at)
SELECT uid('p', 1 + n % {PROJECTS}), 's' || n, 'CREDENTIALS', 'READY', 'x', now() - n * interval '10 minutes'
FROM generate_series(1, 5000) AS n;
INSERT INTO auth_sessions (project_id, id, type, status, only_for, sealed_state, updated_at)
SELECT uid('p', 1), 'own' || n, 'RUNTIME', 'READY', rid('run', {ENDED} - n), 'x', now() - interval '2 days'
FROM generate_series(1, 20) AS n;
INSERT INTO workers (id, host, pid, slots, steady_since, heartbeat_at)
SELECT uid('worker', n), 'h' || n, n, 20, now() - interval '1 day', now() FROM generate_series(1, 10) AS n;
"""

_JOBS = f"""
INSERT INTO jobs (project_id, id, workspace_id, payload, configuration, firing, fires_at)
SELECT uid('p', 1 + n % {PROJECTS}), 'j' || n, uid('w', 1), '[]', '{{}}',
    now() + (n - 5) * interval '1 minute', now() + (n - 5) * interval '1 minute'
FROM generate_series(1, {JOBS}) AS n;
-- The first two are under way, of the third something is stuck.
INSERT INTO job_runs (id, workspace_id, project_id, job_id, deployment_id, type, status, configuration,
    is_session_good, payloads, successful_runs, failed_runs, created_at, ended_at)
SELECT rid('jr', n), uid('w', 1), uid('p', 1 + n % {PROJECTS}), 'j' || n % {JOBS},
    CASE WHEN n <= 3 THEN uid('d', 1 + n % {PROJECTS}) END, 'SCHEDULED',
    CASE WHEN n <= 3 THEN 'PENDING' ELSE 'SUCCESS' END, '{{}}', true,
    CASE WHEN n > 3 THEN {ITEMS} END, CASE WHEN n > 3 THEN {ITEMS} END, CASE WHEN n > 3 THEN 0 END,
    now() - n * interval '31 days' / {JOB_RUNS},
    CASE WHEN n > 3 THEN now() - (n - 1) * interval '31 days' / {JOB_RUNS} END
FROM generate_series(1, {JOB_RUNS}) AS n;
"""

_RUNS = f"""
-- The lower the number, the older; every fifth is an item, every fortieth an operation with a check.
INSERT INTO runs (id, workspace_id, project_id, deployment_id, api, parameters, save_trace, request_timeout,
    maximum_attempts, status, attempt, fence, turn, result, failure, cancellation, kind, parent_id, auth_session_id,
    job_run_id, position, idempotency_key, is_examined, drift, created_at, started_at, ended_at)
SELECT rid('run', n), uid('w', 1 + p % 20 / 19), uid('p', p), uid('d', p + {PROJECTS} * least(48, days / 2)),
    'api-' || n % 10, '{{"page": "https://example.com/a/long/path", "n": ' || n || '}}', true, '10 minutes', 3,
    status, 1, 1, n, CASE WHEN status = 'completed' THEN '{{"found": [1, 2, 3], "n": ' || n || '}}' END,
    CASE WHEN status = 'failed' THEN '{{"code": "script-timeout", "message": "m", "details": {{}}}}' END,
    CASE WHEN status = 'canceled' THEN '{{"reason": "user-canceled", "message": "m"}}' END,
    kind, CASE WHEN kind = 'check' THEN rid('run', n - 1) END, CASE WHEN kind <> 'api' THEN 's' || n % 5000 END,
    CASE WHEN is_item THEN rid('jr', {JOB_RUNS} - n / 5 / {ITEMS}) END, CASE WHEN is_item THEN n / 5 % {ITEMS} END,
    CASE WHEN n % 100 = 0 THEN 'key-' || n END, n < {ENDED} - 40, CASE WHEN n % 5000 = 0 THEN '{{}}' END,
    at, at + interval '1 second', at + interval '5 seconds' + n % 100 * interval '1 second'
FROM (
    SELECT n, CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n / 3 % {PROJECTS} END AS p,
        n % 5 = 0 AS is_item, 31 * ({ENDED} - n) / {ENDED} AS days,
        now() - ({ENDED} - n) * interval '31 days' / {ENDED} - interval '2 minutes' AS at,
        CASE WHEN n % 40 = 1 THEN 'operation' WHEN n % 40 = 2 THEN 'check' ELSE 'api' END AS kind,
        CASE WHEN n % 25 = 3 THEN 'failed' WHEN n % 50 = 7 THEN 'canceled' ELSE 'completed' END AS status
    FROM generate_series(1, {ENDED}::bigint) AS n
) AS numbered;

-- Half of what waits is of the first project; some may not wait for ever, and some have waited for too long.
INSERT INTO runs (id, workspace_id, project_id, deployment_id, api, parameters, save_trace, request_timeout,
    maximum_attempts, turn, expires_at, created_at)
SELECT rid('waiting', n), uid('w', 1 + p % 20 / 19), uid('p', p), uid('d', p), 'api-1', '{{"n": 1}}', true, '10 minutes', 3,
    {ENDED} + n / 2, CASE WHEN n % 10 = 0 THEN now() + (n - 100) * interval '1 second' END,
    now() - ({WAITING} + 10000 - n) * interval '1 millisecond' * 36
FROM (SELECT n, CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n / 3 % {PROJECTS} END AS p FROM generate_series(1, {WAITING}) AS n)
    AS numbered;
INSERT INTO runs (id, workspace_id, project_id, deployment_id, api, parameters, save_trace, request_timeout,
    maximum_attempts, turn, job_run_id, position, created_at)
SELECT rid('held', n), uid('w', 1), uid('p', 2 + n % 2), uid('d', 2 + n % 2), 'api-1', '{{"n": 1}}', true, '10 minutes', 3,
    CASE WHEN n <= 40 THEN {ENDED} END, rid('jr', 1 + n % 2), 100 + n, now() - interval '1 hour'
FROM generate_series(1, {HELD}) AS n;
INSERT INTO runs (id, workspace_id, project_id, deployment_id, api, parameters, save_trace, request_timeout,
    maximum_attempts, status, attempt, fence, turn, worker_id, auth_session_id, created_at, started_at)
SELECT rid('started', n), uid('w', 1), uid('p', 1), uid('d', 1), 'api-1', '{{"n": 1}}', true, '10 minutes', 3, 'started', 1, 1,
    {ENDED}, uid('worker', 1 + n % 10), CASE WHEN n % 10 = 0 THEN 's' || n END, now() - interval '1 minute', now() - interval '30 seconds'
FROM generate_series(1, {STARTED}) AS n;
"""

_ATTEMPTS = f"""
INSERT INTO attempts (run_id, number, fence, worker_id, status, started_at, author_started_at, ended_at)
SELECT rid('run', n), 1, 1, uid('worker', 1 + n % 10), 'completed', now(), now(), now()
FROM generate_series(1, {ENDED}) AS n;
INSERT INTO attempts (run_id, number, fence, worker_id)
SELECT rid('started', n), 1, 1, uid('worker', 1 + n % 10) FROM generate_series(1, {STARTED}) AS n;
"""

_OUTPUTS = f"""
INSERT INTO log_lines (run_id, attempt, at, stream, level, text)
SELECT rid('run', n), 1, now(), 'stdout', 'info', 'line ' || line
FROM generate_series(1, {ENDED}, 10) AS n, generate_series(1, 5) AS line;
-- Of a week, and some that pruning has left so far.
INSERT INTO files (run_id, attempt, kind, name, size_bytes, blob, created_at)
SELECT rid('run', n), 1, 'trace', 'trace.zip', 100000, 'runs/' || n, now() - ({ENDED} - n) * interval '31 days' / {ENDED}
FROM generate_series({ENDED} - 230000, {ENDED}) AS n;
INSERT INTO deliveries (id, project_id, run_id, kind, target, sealed_sink, status, tries, next_try_at, created_at, ended_at)
SELECT 'msg_' || rid('run', n), uid('p', 1), rid('run', n), 'webhook', 'https://example.com', 'sealed',
    CASE WHEN is_pending THEN 'pending' ELSE 'delivered' END, 1, CASE WHEN is_pending THEN now() + interval '1 hour' END,
    at, CASE WHEN NOT is_pending THEN at END
FROM (
    SELECT n, n > {ENDED} - {PENDING_DELIVERIES} * 5 AS is_pending, now() - ({ENDED} - n) * interval '31 days' / {ENDED} AS at
    FROM generate_series(1, {ENDED}, 5) AS n
) AS numbered;
INSERT INTO deliveries (id, project_id, job_run_id, kind, target, sealed_sink, body, status, tries, created_at, ended_at)
SELECT 'msg_' || rid('jr', n), uid('p', 1), rid('jr', n), 'webhook', 'https://example.com', 'sealed', '{{}}', 'delivered', 1, at, at
FROM (SELECT n, now() - n * interval '31 days' / {JOB_RUNS} AS at FROM generate_series(1, {JOB_RUNS}) AS n) AS numbered;
INSERT INTO delivery_tries (delivery_id, number, at, duration)
SELECT id, 1, created_at, '1 second' FROM deliveries WHERE status = 'delivered';
INSERT INTO model_usage SELECT rid('run', n), 'openai', 'm', 1, 0, 0, 0, 1, 0, 0, 1, 0.01 FROM generate_series(1, {ENDED}, 10) AS n;
INSERT INTO model_spending SELECT current_date - day, uid('p', p), 1 FROM generate_series(0, 399) AS day, generate_series(1, {PROJECTS}) AS p;
INSERT INTO model_calls (run_id, project_id, provider, model, day, reserved_usd, input_tokens, usd, held_until)
SELECT rid('started', n), uid('p', 1), 'openai', 'm', current_date, 0.01, 1, 0.01, now() + interval '30 seconds' FROM generate_series(1, 50) AS n;
INSERT INTO questions (id, run_id, attempt, fence, text, is_secret, asked_at, expires_at, ended_at)
SELECT rid('q', n), rid('run', n), 1, 1, 't', false, now() - interval '1 day', now() - interval '1 day', now() - interval '1 day'
FROM generate_series(1, 20000) AS n;
INSERT INTO questions (id, run_id, attempt, fence, text, is_secret, expires_at)
SELECT rid('q', -n), rid('started', n), 1, 1, 't', false, now() + interval '1 hour' FROM generate_series(1, 10) AS n;
INSERT INTO live_requests (id, run_id, server_url, can_control, watcher)
SELECT 'l' || n, rid('started', n), 'u', false, 'w' FROM generate_series(1, 10) AS n;
INSERT INTO run_spans SELECT owner, hours, date_bin(hours, now(), 'epoch') - span * hours, status, class, 10
FROM (SELECT uid('p', n) AS owner FROM generate_series(1, {PROJECTS}) AS n UNION ALL SELECT uid('w', 1)) AS owners,
    (VALUES (interval '1 hour', 48), (interval '6 hours', 124)) AS lengths (hours, spans), generate_series(0, spans) AS span,
    unnest('{{completed,failed,canceled}}'::text[]) AS status, generate_series(0, 5) AS class;
UPDATE run_spans_filled SET until = now() - interval '2 minutes';
INSERT INTO prunings (started_at, is_complete, removed) SELECT now() - n * interval '1 day', true, '{{}}' FROM generate_series(0, 89) AS n;
-- What triggers would have counted, as connections that came and went since the night have left it.
INSERT INTO counters (name, label, connection, value)
SELECT name, label, connection, 1000
FROM (VALUES ('runs', 'api:completed'), ('runs', 'api:failed'), ('runs_accepted', 'api'), ('attempts', 'completed:')) AS known (name, label),
    generate_series(0, 200) AS connection;
"""

_QUEUE = """
INSERT INTO pgqueuer (priority, execute_after, status, entrypoint, dedupe_key, payload)
SELECT -turn, created_at, 'queued', 'run:' || project_id, id, convert_to(id, 'UTF8') FROM runs
WHERE status = 'pending' AND turn IS NOT NULL;
INSERT INTO pgqueuer (priority, execute_after, status, entrypoint, dedupe_key, payload, queue_manager_id)
SELECT -turn, created_at, 'picked', 'run:' || project_id, id, convert_to(id, 'UTF8'), worker_id FROM runs WHERE status = 'started';
INSERT INTO pgqueuer (priority, execute_after, status, entrypoint, dedupe_key, payload)
SELECT 0, next_try_at, 'queued', 'delivery:' || project_id, id, convert_to(id, 'UTF8') FROM deliveries WHERE status = 'pending';
INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint, aggregated)
SELECT now() - n * interval '1 day' / 190000, n, 'queued', 0, 'run:' || uid('p', 1), n > 500 FROM generate_series(1, 200000) AS n;
INSERT INTO pgqueuer_statistics (created, count, priority, status, entrypoint)
SELECT date_trunc('second', now()) - n * interval '1 second', 1, 0, 'queued', 'run:' || uid('p', 1) FROM generate_series(1, 20000) AS n;
"""

_INDEXES = """
DO $$
DECLARE each record;
BEGIN
    FOR each IN SELECT definition FROM dropped LOOP EXECUTE each.definition; END LOOP;
END $$;
DROP TABLE dropped;
"""


def uid(kind: str, number: int) -> UUID:
    """Return what the function of that name in the database does."""
    return UUID(hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest())


async def fill(url: str) -> None:
    """Fill an empty migrated database; takes about a minute."""
    one: Any = await asyncpg.connect(url)
    other: Any = await asyncpg.connect(url)
    try:
        await asyncio.gather(*(each.execute(_SESSION) for each in (one, other)))
        await _execute(one, _BEGIN, _PROJECTS, _JOBS)
        await asyncio.gather(_execute(one, _RUNS), _execute(other, _ATTEMPTS, _OUTPUTS))
        await _execute(one, _QUEUE, _INDEXES, "VACUUM ANALYZE")
    finally:
        await asyncio.gather(one.close(), other.close())


async def _execute(connection: Any, *statements: str) -> None:
    for each in statements:
        await connection.execute(each, timeout=600)
