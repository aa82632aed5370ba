"""A real PostgreSQL for tests of storage and queue, and an empty migrated database for each."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from machines.stage import Stage, staged

from runwright import config
from runwright.adapters import signals, vault
from runwright.adapters.blobs import blobs
from runwright.adapters.providers.providers import Providers
from runwright.adapters.queue import engine
from runwright.control.access import keys
from runwright.control.base.platform import Platform
from runwright.domain.ids import DeploymentId, ProjectId
from runwright.domain.projects import Api, Manifest, Project
from runwright.storage import database, projects as project_rows
from runwright.storage.postgres import embedded

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run one embedded PostgreSQL, in an event loop of its own, with a migrated template."""
    directory = tmp_path_factory.mktemp("postgresql")
    loop = asyncio.new_event_loop()

    async def run(ready: asyncio.Future[str], stop: asyncio.Event) -> None:
        async with embedded.run(directory) as server:
            await _make_template(server.url)
            ready.set_result(server.url)
            await stop.wait()

    import threading

    stop = asyncio.Event()
    ready: asyncio.Future[str] = loop.create_future()
    url: list[str] = []
    told = threading.Event()
    ready.add_done_callback(lambda done: (url.append(done.result()), told.set()))
    thread = threading.Thread(target=lambda: loop.run_until_complete(run(ready, stop)))
    thread.start()
    assert told.wait(60)
    yield url[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(timeout=30)
    loop.close()


@pytest.fixture
async def database_url(postgresql: str) -> str:
    """Return the address of an empty migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    connection: Any = await asyncpg.connect(postgresql)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE template_of_tests")
    await connection.close()
    return postgresql.replace("/postgres?", f"/{name}?")


@pytest.fixture
async def pool(database_url: str) -> AsyncGenerator[Any]:
    """Return a pool of connections to the test's database."""
    async with database.connect(database_url, min_size=1, max_size=20) as opened:
        yield opened


@pytest.fixture
async def platform(database_url: str, tmp_path: Path) -> AsyncGenerator[Platform]:
    """Return a platform on the test's database."""
    async with opened_platform(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncGenerator[Stage]:
    """Return where a state machine plays."""
    examples = int(str(request.config.getoption("--machine-examples")))
    async with staged(
        database_url, tmp_path, opened_platform, _make_project, examples=examples
    ) as opened:
        yield opened


@pytest.fixture
def open_platform() -> Callable[..., Any]:
    """Return what opens a platform on a database and a directory of the test's own."""
    return opened_platform


@pytest.fixture
async def make_project(platform: Platform) -> Callable[..., Any]:
    """Return what makes a project with one ready Deployment and the Api `a`."""

    async def make(name: str = "p") -> Project:
        return await _make_project(platform, name)

    return make


async def _make_project(platform: Platform, name: str) -> Project:
    workspace_id, _ = await keys.ensure_first(platform, None)
    async with platform.database.acquire() as connection:
        project_id = ProjectId(uuid4())
        await project_rows.ensure(connection, project_id, workspace_id, name)
        deployment_id = DeploymentId(uuid4())
        await project_rows.add_deployment(connection, deployment_id, project_id, "0" * 64)
        begun = await project_rows.begin_deployment(connection, deployment_id)
        assert begun is not None
        manifest = Manifest(apis=(Api(name="a"),))
        await project_rows.finish_deployment(connection, begun, manifest)
        await project_rows.make_current(connection, project_id, deployment_id, 0)
        found = await project_rows.find(connection, workspace_id, name)
    assert found is not None
    return found


@asynccontextmanager
async def opened_platform(url: str, directory: Path) -> AsyncGenerator[Platform]:
    """Open a platform on a database that is migrated."""
    async with AsyncExitStack() as stack:
        yield Platform(
            settings=config.read(
                {"RUNWRIGHT_DATA_DIR": str(directory), "RUNWRIGHT_RETRY_DELAY": "0"}
            ),
            database=await stack.enter_async_context(
                database.connect(url, min_size=1, max_size=20)
            ),
            pulse=await stack.enter_async_context(database.connect(url, min_size=0, max_size=4)),
            blobs=blobs.open_store(None, directory / "blobs"),
            signals=await stack.enter_async_context(signals.listen(url)),
            vault=vault.Vault("secret"),
            providers=Providers({}, timedelta(seconds=10)),
        )


async def _make_template(url: str) -> None:
    connection: Any = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE template_of_tests")
    await connection.close()
    target = url.replace("/postgres?", "/template_of_tests?")
    async with database.connect(target, min_size=1, max_size=2) as pool:
        await database.migrate(pool)
        async with pool.acquire() as connection:
            await engine.install(connection)
