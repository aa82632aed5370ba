"""What is asked for just as it is pruned: either it is kept, or who asks is told that it is gone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from support import eventually_async

from runwright.adapters import bundles
from runwright.control import ceiling, deliveries, deployments, retention
from runwright.control.platform import Platform
from runwright.domain.deliveries import DeliveryStatus
from runwright.domain.ids import DeploymentId
from runwright.domain.projects import Api, Manifest, Project
from runwright.domain.sinks import Sink, SinkKind
from runwright.errors import Conflict, NotFound
from runwright.storage import (
    deliveries as delivery_rows,
    projects as project_rows,
    retention as rows,
)

MakeProject = Callable[..., Any]
_LONG = timedelta(minutes=1)
_SINK = Sink(kind=SinkKind.WEBHOOK, url="https://example.com/")
_OLD, _NEW = "0" * 64, "1" * 64
_BLOCKED = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database())"
)


@asynccontextmanager
async def _held(platform: Platform) -> AsyncGenerator[Any]:
    """Yield a connection in a transaction that is open until the block ends."""
    async with platform.database.acquire() as connection, connection.transaction():
        yield connection


async def _until_somebody_waits(platform: Platform) -> None:
    await eventually_async(lambda: platform.database.fetchval(_BLOCKED))


async def _deployed_twice(platform: Platform, project: Project) -> DeploymentId:
    """Return the first Deployment, which is old and no longer current; both Bundles are stored."""
    assert project.current is not None
    for sha256 in (_OLD, _NEW):
        source = platform.settings.data_dir / uuid.uuid4().hex
        source.write_bytes(b"x" * 1000)
        await platform.blobs.put_file(bundles.blob_key(sha256), source)
    await platform.database.execute(
        "UPDATE deployments SET created_at = created_at - interval '1 year',"
        " ended_at = ended_at - interval '1 year'"
    )
    async with _held(platform) as connection:
        new = DeploymentId(uuid.uuid4())
        await project_rows.add_deployment(connection, new, project.id, _NEW)
        begun = await project_rows.begin_deployment(connection, new)
        assert begun is not None
        await project_rows.finish_deployment(connection, begun, Manifest(apis=(Api(name="a"),)))
        await project_rows.make_current(connection, project.id, new, 0)
    return project.current.id


async def _current(platform: Platform) -> DeploymentId:
    return await platform.database.fetchval("SELECT current_deployment_id FROM projects")


async def test_a_roll_back_to_a_bundle_that_the_ceiling_removes_is_refused(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with _held(platform) as connection:
        assert await rows.lock_bundle(connection, _OLD)
        assert not await rows.is_bundle_needed(connection, _OLD)
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await _until_somebody_waits(platform)
        await platform.blobs.delete(bundles.blob_key(_OLD))

    with pytest.raises(Conflict, match="no longer kept"):
        await rolling
    assert await _current(platform) != old


async def test_the_ceiling_leaves_a_bundle_that_is_rolled_back_to(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with _held(platform) as connection:
        await project_rows.lock(connection, project.id)
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await _until_somebody_waits(platform)
        assert await ceiling.shed(platform, 1_000_000) == []
    await rolling

    assert await _current(platform) == old
    assert await platform.blobs.exists(bundles.blob_key(_OLD))


async def test_a_roll_back_to_a_deployment_that_is_being_pruned_is_not_found(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with _held(platform) as connection:
        assert await rows.forget_deployments(connection, timedelta(days=30), 10) == [_OLD]
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await _until_somebody_waits(platform)

    with pytest.raises(NotFound):
        await rolling


async def test_pruning_leaves_a_deployment_that_is_rolled_back_to(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with _held(platform) as connection:
        await project_rows.lock(connection, project.id)
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await _until_somebody_waits(platform)
        done = await retention.prune(platform, is_dry=False, patience=_LONG)
    await rolling

    assert done.is_complete
    assert await _current(platform) == old


async def test_a_deployment_that_came_to_be_current_while_it_was_looked_at_is_not_pruned(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with _held(platform) as connection:
        due = await rows.lock_due_deployments(connection, timedelta(days=30), 10)
        assert due == [old]
        # As if it had been put there in the moment before it was locked.
        await project_rows.put_current(connection, project.id, old, 0)
        forgotten = await rows.forget_locked_deployments(connection, due)

    assert forgotten == []


async def _old_notification(platform: Platform, project: Project) -> str:
    async with _held(platform) as connection:
        await deliveries.accept_notification(platform, connection, project.id, None, _SINK, "{}")
    await platform.database.execute(
        "UPDATE deliveries SET status = 'delivered', created_at = created_at - interval '1 year',"
        " ended_at = clock_timestamp() - interval '1 year'"
    )
    await platform.database.execute("DELETE FROM pgqueuer")
    return await platform.database.fetchval("SELECT id FROM deliveries")


async def test_pruning_leaves_an_old_notification_that_is_just_sent_again(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    delivery_id = await _old_notification(platform, project)

    async with _held(platform) as connection:
        assert await delivery_rows.renew(connection, delivery_id, None, None)
        pruning = asyncio.create_task(retention.prune(platform, is_dry=False, patience=_LONG))
        await _until_somebody_waits(platform)
    assert (await pruning).is_complete

    found, _ = await deliveries.get(platform, project.id, delivery_id)
    assert found.status is DeliveryStatus.PENDING


async def test_an_old_notification_that_is_being_pruned_is_not_sent_again(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    delivery_id = await _old_notification(platform, project)

    async with _held(platform) as connection:
        assert await rows.forget(connection, "notifications", timedelta(days=30), 10) == 1
        again = asyncio.create_task(deliveries.send_again(platform, project.id, delivery_id, None))
        await _until_somebody_waits(platform)

    with pytest.raises(NotFound):
        await again
    assert await platform.database.fetchval("SELECT count(*) FROM pgqueuer") == 0
