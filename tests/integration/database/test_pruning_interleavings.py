"""Requests for something that is being pruned: either it is kept, or the caller is told that it is gone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from helpers.held import blocked, held

from runwright.adapters.bundles import bundles
from runwright.control.auth_sessions import auth_sessions
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.jobs import jobs
from runwright.control.projects import deployments
from runwright.control.runs import author_calls, live, runs
from runwright.control.upkeep import disk_quota, retention
from runwright.domain.auth_sessions import SessionOperation, SessionPlan, SessionStatus, SessionType
from runwright.domain.deliveries import sinks
from runwright.domain.deliveries.deliveries import DeliveryStatus
from runwright.domain.ids import DeploymentId, RunId
from runwright.domain.jobs import job_text
from runwright.domain.live import Ticket
from runwright.domain.projects import Api, Manifest, Project, ProjectSettings
from runwright.domain.runs import RunRequest
from runwright.errors import Conflict, NotFound
from runwright.storage import (
    auth_sessions as session_rows,
    deliveries as delivery_rows,
    projects as project_rows,
    retention as rows,
)
from runwright.storage.auth_sessions import NewSession
from runwright.web.server import errors

MakeProject = Callable[..., Any]
_LONG = timedelta(minutes=1)
_SINK = sinks.parse({"type": "webhook", "url": "https://example.com/"})
_PLAIN = ProjectSettings()
_WITH_SESSIONS = ProjectSettings(has_auth_sessions=True, can_create_sessions=True)
_OLD, _NEW = "0" * 64, "1" * 64


async def _deployed_twice(
    platform: Platform, project: Project, settings: ProjectSettings = _PLAIN
) -> DeploymentId:
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
    async with held(platform) as connection:
        new = DeploymentId(uuid.uuid4())
        await project_rows.add_deployment(connection, new, project.id, _NEW)
        begun = await project_rows.begin_deployment(connection, new)
        assert begun is not None
        manifest = Manifest(apis=(Api(name="a"),), settings=settings)
        await project_rows.finish_deployment(connection, begun, manifest)
        await project_rows.make_current(connection, project.id, new, 0)
    return project.current.id


async def _current(platform: Platform) -> DeploymentId:
    return await platform.database.fetchval("SELECT current_deployment_id FROM projects")


async def test_a_roll_back_to_a_bundle_that_the_ceiling_removes_is_refused(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with held(platform) as connection:
        assert await rows.lock_bundle(connection, _OLD)
        assert not await rows.is_bundle_needed(connection, _OLD)
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await blocked(platform)
        await platform.blobs.delete(bundles.blob_key(_OLD))

    with pytest.raises(Conflict, match="removed to free disk space"):
        await rolling
    assert await _current(platform) != old


async def test_the_ceiling_leaves_a_bundle_that_is_rolled_back_to(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with held(platform) as connection:
        await project_rows.lock(connection, project.id)
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await blocked(platform)
        assert await disk_quota.shed(platform, 1_000_000) == []
    await rolling

    assert await _current(platform) == old
    assert await platform.blobs.exists(bundles.blob_key(_OLD))


async def test_a_roll_back_to_a_deployment_that_is_being_pruned_is_not_found(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with held(platform) as connection:
        assert await rows.forget_deployments(connection, timedelta(days=30), 10) == [_OLD]
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await blocked(platform)

    with pytest.raises(NotFound):
        await rolling


async def test_pruning_leaves_a_deployment_that_is_rolled_back_to(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with held(platform) as connection:
        await project_rows.lock(connection, project.id)
        rolling = asyncio.create_task(deployments.roll_back(platform, project, old))
        await blocked(platform)
        done = await retention.prune(platform, is_dry=False, patience=_LONG)
    await rolling

    assert done.is_complete
    assert await _current(platform) == old


async def test_a_deployment_that_came_to_be_current_while_it_was_looked_at_is_not_pruned(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    old = await _deployed_twice(platform, project)

    async with held(platform) as connection:
        due = await rows.lock_due_deployments(connection, timedelta(days=30), 10)
        assert due == [old]
        # As if it had been put there in the moment before it was locked.
        await project_rows.put_current(connection, project.id, old, 0)
        forgotten = await rows.forget_locked_deployments(connection, due)

    assert forgotten == []


async def _start(platform: Platform, project: Project) -> Any:
    request = RunRequest(api="a", parameters={})
    return await runs.start(platform, project, request, idempotency_key=None, request_text="")


async def _trigger(platform: Platform, project: Project) -> Any:
    return await jobs.trigger(platform, project, "j", idempotency_key=None, request_text="")


async def _create(platform: Platform, project: Project) -> Any:
    plan = SessionPlan(id="new", operation=SessionOperation.CREATE, parameters={})
    return await auth_sessions.create(platform, project, plan)


async def _update(platform: Platform, project: Project) -> Any:
    plan = SessionPlan(id="s", operation=SessionOperation.UPDATE, parameters={})
    return await auth_sessions.update(platform, project, plan)


async def _validate(platform: Platform, project: Project) -> Any:
    plan = SessionPlan(id="s", operation=SessionOperation.VALIDATE)
    return await auth_sessions.validate(platform, project, plan)


async def _record(platform: Platform, project: Project) -> Any:
    plan = SessionPlan(id="new", operation=SessionOperation.RECORD, start_url="https://a.test/")
    return await auth_sessions.record(platform, project, plan)


@pytest.mark.parametrize(
    ("begin", "settings"),
    [
        (_start, _PLAIN),
        (_trigger, _PLAIN),
        (_create, _WITH_SESSIONS),
        (_update, _WITH_SESSIONS),
        (_validate, _WITH_SESSIONS),
        (_record, _WITH_SESSIONS),
    ],
    ids=["run", "job run", "create", "update", "validate", "record"],
)
async def test_what_begins_on_a_deployment_that_is_being_pruned_begins_on_the_current_one(
    platform: Platform,
    make_project: MakeProject,
    begin: Callable[[Platform, Project], Any],
    settings: ProjectSettings,
) -> None:
    project = await make_project()
    plan = job_text.parse({"payload": [{"apiName": "a", "parameters": {}}], "configuration": {}})
    await jobs.create(platform, project, "j", plan)
    known = NewSession(
        project_id=project.id,
        id="s",
        type=SessionType.CREDENTIALS,
        status=SessionStatus.READY,
        sealed_state=b"state",
    )
    await session_rows.insert(platform.database, known)
    await _deployed_twice(platform, project, settings)
    # As it was found in the moment before the new Deployment came to be current.
    manifest = Manifest(apis=(Api(name="a"),), settings=settings)
    assert project.current is not None
    stale = replace(project, current=replace(project.current, manifest=manifest))

    async with held(platform) as connection:
        assert await rows.forget_deployments(connection, timedelta(days=30), 10) == [_OLD]
        beginning = asyncio.create_task(begin(platform, stale))
        await blocked(platform)
    await beginning

    begun = await platform.database.fetch(
        "SELECT deployment_id FROM runs UNION SELECT deployment_id FROM job_runs"
    )
    assert [row["deployment_id"] for row in begun] == [await _current(platform)]


async def test_a_run_that_is_no_longer_kept_is_shown_to_nobody(platform: Platform) -> None:
    ticket = Ticket(
        run_id=RunId("gone"), can_control=False, watcher="w", expires_at=datetime.now(UTC) + _LONG
    )

    await live.request(platform, live.new_request(ticket, ticket.run_id, "http://localhost"))

    assert await platform.database.fetchval("SELECT count(*) FROM live_requests") == 0


async def test_a_request_about_what_was_removed_meanwhile_is_a_conflict(
    platform: Platform, tmp_path: Path
) -> None:
    app = FastAPI()
    errors.install(app)
    (tmp_path / "file").write_text("x")

    @app.put("/late")
    async def late() -> None:
        await author_calls.keep_upload(platform, "gone/1/name", tmp_path / "file")

    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.put("/late")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert callable(late)


async def _old_notification(platform: Platform, project: Project) -> str:
    async with held(platform) as connection:
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

    async with held(platform) as connection:
        assert await delivery_rows.renew(connection, delivery_id, None, None)
        pruning = asyncio.create_task(retention.prune(platform, is_dry=False, patience=_LONG))
        await blocked(platform)
    assert (await pruning).is_complete

    found, _ = await deliveries.get(platform, project.id, delivery_id)
    assert found.status is DeliveryStatus.PENDING


async def test_an_old_notification_that_is_being_pruned_is_not_sent_again(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    delivery_id = await _old_notification(platform, project)

    async with held(platform) as connection:
        assert await rows.forget(connection, "notifications", timedelta(days=30), 10) == 1
        again = asyncio.create_task(deliveries.send_again(platform, project.id, delivery_id, None))
        await blocked(platform)

    with pytest.raises(NotFound):
        await again
    assert await platform.database.fetchval("SELECT count(*) FROM pgqueuer") == 0
