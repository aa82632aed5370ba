"""The pool of Runners: how many stay once they are not needed, and what happens when none can be started."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from helpers.server import eventually_async

from runwright.domain.ids import DeploymentId, ProjectId, WorkspaceId
from runwright.domain.projects import ProjectSettings
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.runners import reaper, runner_package, runner_process
from runwright.execution.runners.pool import Pool
from runwright.execution.runners.runner_groups import RunnerFailure
from runwright.execution.runners.runner_process import RunnerProcess


@asynccontextmanager
async def pooling(
    directory: Path, *, idle_seconds: float
) -> AsyncGenerator[tuple[Pool, Installed]]:
    """Keep Runners that wait for their first message, which is enough to be counted and killed."""
    staged = runner_package.stage(directory / "author-side")

    async def launch(deployment: Installed) -> RunnerProcess:
        if (directory / "away").exists():
            with (directory / "failures").open("a") as out:
                out.write("1")
            raise ConnectionError
        with (directory / "launches").open("a") as out:
            out.write("1")
        return await runner_process.launch(
            python=deployment.python,
            directory=directory / uuid.uuid4().hex,
            author_side=staged,
            environment={},
        )

    pool = Pool(capacity=5, launch=launch, idle_seconds=idle_seconds)
    installed = Installed(
        deployment_id=DeploymentId(uuid.uuid4()),
        project_id=ProjectId(uuid.uuid4()),
        workspace_id=WorkspaceId(uuid.uuid4()),
        root=directory,
        python=Path(sys.executable),
        settings=ProjectSettings(),
        apis=(),
    )
    try:
        yield pool, installed
    finally:
        await pool.close()
        await reaper.reap_the_rest()


async def _fit(_runner: RunnerProcess) -> bool:
    return True


async def _use(pool: Pool, installed: Installed, count: int) -> None:
    """Hold so many Runners at once."""
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        for _ in range(count):
            await stack.enter_async_context(pool.lease(installed, _fit))


async def _has(pool: Pool, count: int) -> bool:
    return pool.stages()["ready"] == pool.size == count


async def _counts(pool: Pool, count: int) -> bool:
    return pool.size == count


async def test_one_runner_stays_of_a_project_that_nobody_uses(tmp_path: Path) -> None:
    async with pooling(tmp_path, idle_seconds=0.5) as (pool, installed):
        await _use(pool, installed, 3)
        await eventually_async(lambda: _has(pool, 1), within=60)
        await _use(pool, installed, 3)


async def test_runners_that_are_in_use_now_and_then_stay(tmp_path: Path) -> None:
    async with pooling(tmp_path, idle_seconds=60) as (pool, installed):
        await _use(pool, installed, 3)
        await eventually_async(lambda: _has(pool, 4), within=60)


async def test_runners_are_started_again_after_none_could_be_for_a_while(tmp_path: Path) -> None:
    async def has_given_up() -> bool:
        failures = tmp_path / "failures"
        return failures.exists() and len(failures.read_text()) >= 3

    async with pooling(tmp_path, idle_seconds=60) as (pool, installed):
        await _use(pool, installed, 1)
        await eventually_async(lambda: _has(pool, 2))
        (tmp_path / "away").touch()
        async with pool.lease(installed, _fit), pool.lease(installed, _fit):
            await eventually_async(has_given_up)
        (tmp_path / "away").unlink()

        await _use(pool, installed, 3)


async def test_who_deploys_has_one_runner_started(tmp_path: Path) -> None:
    async with pooling(tmp_path, idle_seconds=60) as (pool, installed), asyncio.timeout(30):
        await pool.wait_warm(installed)

        assert await _has(pool, 1)


async def test_who_deploys_gets_room_in_a_full_pool(tmp_path: Path) -> None:
    async with pooling(tmp_path, idle_seconds=60) as (pool, installed), asyncio.timeout(60):
        other = dataclasses.replace(installed, deployment_id=DeploymentId(uuid.uuid4()))
        await _use(pool, other, 4)
        await eventually_async(lambda: _has(pool, 5))

        await pool.wait_warm(installed)

        assert {each.deployment_id for each in pool.seen()} == {
            str(installed.deployment_id),
            str(other.deployment_id),
        }


async def test_deploys_into_a_full_pool_of_many_projects_start_one_runner_each(
    tmp_path: Path,
) -> None:
    async with pooling(tmp_path, idle_seconds=60) as (pool, installed), asyncio.timeout(120):
        others = [
            dataclasses.replace(installed, deployment_id=DeploymentId(uuid.uuid4()))
            for _ in range(6)
        ]
        for each in others:
            await pool.wait_warm(each)
        before = len((tmp_path / "launches").read_text())
        current = installed
        for _ in range(6):
            following = dataclasses.replace(installed, deployment_id=DeploymentId(uuid.uuid4()))
            await pool.wait_warm(following)
            pool.cool(current.deployment_id)
            current = following
            assert pool.size <= 5
        await eventually_async(lambda: _has(pool, 5), within=60)

        # One for each deploy, and one for the project that takes the place of what became old.
        assert len((tmp_path / "launches").read_text()) - before <= 2 * 6


async def test_who_deploys_is_told_that_no_runner_can_be_started(tmp_path: Path) -> None:
    (tmp_path / "away").touch()
    async with pooling(tmp_path, idle_seconds=60) as (pool, installed), asyncio.timeout(30):
        with pytest.raises(RunnerFailure):
            await pool.wait_warm(installed)


async def test_who_deploys_what_is_no_longer_kept_warm_hears_of_its_runner(tmp_path: Path) -> None:
    async with pooling(tmp_path, idle_seconds=60) as (pool, installed), asyncio.timeout(30):
        deploying = asyncio.create_task(pool.wait_warm(installed))
        await eventually_async(lambda: _counts(pool, 1))
        pool.cool(installed.deployment_id)

        await deploying
        await eventually_async(lambda: _counts(pool, 0))


async def test_a_deployment_that_is_about_to_become_current_keeps_its_runner(
    tmp_path: Path,
) -> None:
    async with pooling(tmp_path, idle_seconds=60) as (pool, installed), asyncio.timeout(30):
        with pool.keeping(installed.deployment_id):
            await pool.wait_warm(installed)
            pool.cool(installed.deployment_id)
            assert await _has(pool, 1)

        pool.cool(installed.deployment_id)
        assert await _counts(pool, 0)
