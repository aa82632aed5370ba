"""How long the dashboard's pages take with 100,000 Runs in the database, beside a trivial endpoint.

.venv/bin/python benchmarks/dashboard.py [RUNS]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import served

from runwright.storage import database
from runwright.storage.postgres import embedded

_RUNS = 100_000
_REPEATS = 15
_FILL = """
INSERT INTO runs (id, workspace_id, project_id, deployment_id, api, parameters, save_trace, request_timeout,
    maximum_attempts, status, attempt, turn, result, extended_payloads, failure, cancellation, attributes,
    created_at, started_at, ended_at)
SELECT 'bench' || lpad(n::text, 16, '0'), workspace_id, id, current_deployment_id,
    CASE n % 5 WHEN 0 THEN 'heading' WHEN 1 THEN 'prices' ELSE 'orders' END, '{"page": 1}', true,
    interval '600 s', 1, state, 1, 0,
    CASE WHEN state = 'completed' THEN jsonb_build_object('rows', repeat('x', 400))::text END,
    CASE WHEN state = 'completed' THEN '[]' END,
    CASE WHEN state = 'failed' THEN jsonb_build_object('code', 'script-execution-exception',
        'category', 'execution', 'message', 'RuntimeError: no total in order ' || n, 'retryable', true,
        'details', jsonb_build_object('traceback', repeat('File "api/orders.py", line 3' || chr(10), 60)))::text
    END,
    CASE WHEN state = 'canceled' THEN '{"reason": "cancelled-user-action", "message": "Canceled.", "details": {}}'
    END,
    jsonb_build_object('shop', 'shop ' || n % 50), at, at + interval '20 ms',
    at + interval '20 ms' + random() * interval '9 s'
FROM projects, generate_series(1, $1::integer) AS n,
    LATERAL (SELECT CASE WHEN n % 12 = 0 THEN 'failed' WHEN n % 40 = 1 THEN 'canceled' ELSE 'completed' END
        AS state, now() - n * (interval '30 days' / $1) AS at) AS made
WHERE projects.name = 'bench'
"""


async def main() -> None:
    """Fill a database and print how long each page takes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else _RUNS
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        # PostgreSQL may run as another user.
        await asyncio.to_thread(directory.chmod, 0o755)
        data_dir = directory / "data"
        with served.serving(data_dir) as server:
            await served.deploy(server)
        await _fill(data_dir, count)
        with served.serving(data_dir) as server:
            await _measure(server, count)


async def _fill(data_dir: Path, count: int) -> None:
    async with (
        embedded.run(data_dir / "postgresql") as cluster,
        database.connect(cluster.url, min_size=1, max_size=2) as pool,
    ):
        began = time.perf_counter()
        await pool.execute(_FILL, count, timeout=600)
        await pool.execute("VACUUM ANALYZE runs", timeout=600)
        print(f"{count:,} runs over 30 days, written in {time.perf_counter() - began:.0f} s")


async def _measure(server: served.Server, count: int) -> None:
    origin = server.base.partition("/api/")[0]
    async with httpx2.AsyncClient(base_url=origin, timeout=60) as client:
        await client.post("/sign-in", data={"key": server.api_key})
        here = "/projects/bench"
        places = {
            "/healthz": "a trivial endpoint",
            "/": "home, 24 h",
            "/?window=7d": "home, 7 days",
            "/?window=30d": "home, 30 days: every run",
            "/projects": "projects",
            f"{here}?window=30d": "a project, 30 days",
            f"{here}/runs": "runs",
            f"{here}/runs?status=failed": "runs that failed",
            f"{here}/runs?status=canceled&api=orders": "runs canceled, of an api",
            f"{here}/runs?attribute=shop:shop 7": "runs by an attribute",
            f"{here}/runs?text=no total in order {count // 2 // 12 * 12}": "runs by a text of the error, far back",
            f"{here}/runs?text=nothing-like-it": "the same, found nowhere",
            f"{here}/runs?job=no-such-job": "runs of a job that has none",
            f"{here}/runs/bench{count // 2:016}": "a run",
            f"{here}/playground": "playground",
            f"{here}/deployments": "deployments",
            f"{here}/deliveries": "deliveries",
            f"{here}/jobs": "jobs",
            "/system": "system",
        }
        print(f"{'ms: median':>10} {'slowest':>8}  page")
        for path, what in places.items():
            times = [await _timed(client, path) for _ in range(_REPEATS)]
            print(f"{statistics.median(times):10.1f} {max(times):8.1f}  {what}")


async def _timed(client: httpx2.AsyncClient, path: str) -> float:
    began = time.perf_counter()
    answer = await client.get(path)
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    asyncio.run(main())
