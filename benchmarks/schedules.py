"""How late Jobs fire: so many Jobs a second, each with one item, fired by two processes on one PostgreSQL.

Nothing carries out the Runs that are begun, so that it is the firing that is measured. Prints how late each
JobRun began after the moment that its Schedule names, beside a bare INSERT in a transaction of its own.

    python benchmarks/schedules.py [JOBS_A_SECOND] [SECONDS]
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from runwright import config
from runwright.adapters import signals, vault
from runwright.adapters.blobs import blobs
from runwright.adapters.providers.providers import Providers
from runwright.adapters.queue import engine
from runwright.control.access import keys
from runwright.control.base.platform import Platform
from runwright.control.jobs import jobs
from runwright.domain.ids import DeploymentId, ProjectId
from runwright.domain.jobs import job_text
from runwright.domain.projects import Api, Manifest, Project
from runwright.execution.flows.schedule_tick import ScheduleTick
from runwright.storage import database, projects
from runwright.storage.postgres import embedded

_PROCESSES = 2
_PERIOD = 10
"""Each Job fires once in so many seconds, so that there are ten times as many Jobs as firings a second."""


@asynccontextmanager
async def opened(url: str, directory: Path) -> AsyncGenerator[Platform]:
    """Open a platform on a database."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(database.connect(url, min_size=1, max_size=8))
        yield Platform(
            settings=config.read({"RUNWRIGHT_DATA_DIR": str(directory)}),
            database=pool,
            pulse=pool,
            blobs=blobs.open_store(None, directory / "blobs"),
            signals=await stack.enter_async_context(signals.listen(url)),
            vault=vault.Vault("secret"),
            providers=Providers({}, timedelta(0)),
        )


async def tick(url: str, directory: Path, seconds: float) -> None:
    """Fire what is due for that long: what a Worker does beside its Runs."""
    async with opened(url, directory) as platform:
        ticking = ScheduleTick(platform)
        task = asyncio.create_task(ticking.run())
        await asyncio.sleep(seconds)
        ticking.stop()
        await task


async def make_project(platform: Platform) -> Project:
    """Make a project with one Api."""
    workspace_id, _ = await keys.ensure_first(platform, None)
    project_id, deployment_id = ProjectId(uuid4()), DeploymentId(uuid4())
    async with platform.database.acquire() as connection:
        await projects.ensure(connection, project_id, workspace_id, "p")
        await projects.add_deployment(connection, deployment_id, project_id, "0" * 64)
        begun = await projects.begin_deployment(connection, deployment_id)
        assert begun is not None
        await projects.finish_deployment(connection, begun, Manifest(apis=(Api(name="a"),)))
        await projects.make_current(connection, project_id, deployment_id, 0)
        found = await projects.find(connection, workspace_id, "p")
    assert found is not None
    return found


async def make_jobs(platform: Platform, project: Project, count: int) -> None:
    """Make Jobs that fire once in the period."""
    for number in range(count):
        plan = job_text.parse(
            {
                "payload": [{"apiName": "a", "parameters": {"n": number}}],
                "configuration": {},
                "schedule": {"intervals": [{"every": f"{_PERIOD}s"}]},
            }
        )
        await jobs.create(platform, project, f"j{number}", plan)


async def bare(platform: Platform) -> list[float]:
    """Return how long a bare INSERT takes in a transaction of its own, in ms."""
    await platform.database.execute("CREATE TABLE bare (id bigint, text text)")
    found: list[float] = []
    for number in range(200):
        began = time.perf_counter()
        await platform.database.execute("INSERT INTO bare VALUES ($1, $2)", number, "x" * 200)
        found.append((time.perf_counter() - began) * 1000)
    return found


async def measure(rate: int, seconds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        await asyncio.to_thread(directory.chmod, 0o755)
        async with embedded.run(directory / "postgresql") as server:
            async with opened(server.url, directory) as platform:
                await database.migrate(platform.database)
                async with platform.database.acquire() as connection:
                    await engine.install(connection)
                project = await make_project(platform)
                insert = await bare(platform)
                count = rate * _PERIOD
                await make_jobs(platform, project, count)
                # Intervals are anchored at the epoch; here the moments are spread over the period.
                await platform.database.execute(
                    "UPDATE jobs SET firing = clock_timestamp() + interval '3 seconds'"
                    " + $1 * substr(id, 2)::int / $2 * interval '1 second'",
                    float(_PERIOD),
                    count,
                )
                await platform.database.execute("UPDATE jobs SET fires_at = firing")
            command = [sys.executable, __file__, "--tick", server.url, name, str(seconds + 3)]
            children = [await asyncio.create_subprocess_exec(*command) for _ in range(_PROCESSES)]
            await asyncio.gather(*(child.wait() for child in children))
            async with opened(server.url, directory) as platform:
                await report(platform, rate, insert)


async def report(platform: Platform, rate: int, insert: list[float]) -> None:
    """Print how late the JobRuns began."""
    rows: list[Any] = await platform.database.fetch(
        "SELECT extract(epoch FROM created_at - firing)::float8 * 1000 AS late FROM job_runs"
    )
    late = sorted(row["late"] for row in rows)
    doubled = await platform.database.fetchval(
        "SELECT count(*) FROM (SELECT FROM job_runs GROUP BY job_id, firing HAVING count(*) > 1) AS d"
    )
    print(f"{rate} Jobs a second, {_PROCESSES} processes: {len(late)} firings, {doubled} doubled")
    print(
        f"late, ms: p50 {_share(late, 0.5):.1f}  p99 {_share(late, 0.99):.1f}  max {late[-1]:.1f}"
    )
    print(f"bare INSERT, ms: p50 {statistics.median(insert):.2f}")


def _share(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tick"]:
        asyncio.run(tick(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])))
    else:
        arguments = [int(each) for each in sys.argv[1:]]
        asyncio.run(measure(*(arguments + [200, 20][len(arguments) :])))
