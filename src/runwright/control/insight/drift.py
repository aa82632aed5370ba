"""Drift: examines results after the fact, marks Runs whose results deviate from the usual, and notifies.

This never delays a Run: a completed Run is examined within seconds, exactly once, in the
transaction that stores what was learned from it and accepts the notifications.
"""

from __future__ import annotations

import asyncio
from typing import Any

from runwright.adapters import signals
from runwright.control.base.platform import Platform
from runwright.control.deliveries import notifications, sealed_sinks
from runwright.control.deliveries.notifications import AboutRun, Notification
from runwright.control.deliveries.sealed_sinks import Owner
from runwright.control.runs import job_items
from runwright.domain import drift as domain
from runwright.domain.deliveries.deliveries import NotificationKind
from runwright.domain.deliveries.webhooks import WebhookSink
from runwright.domain.drift import Drift
from runwright.domain.ids import ProjectId, RunId
from runwright.domain.projects import Project
from runwright.errors import NotFound
from runwright.storage import (
    database,
    drift as rows,
    projects as project_rows,
)
from runwright.storage.drift import ProfileRow, Unexamined

EXAMINED_AT_ONCE = 20
_LONG = 10_000
"""Longer results, in characters, are examined outside the event loop."""


async def examine(platform: Platform) -> int:
    """Examine some completed Runs of the Api that has waited longest; return their number."""
    following = await rows.next_api(platform.database)
    if following is None:
        return 0
    project_id, api = following
    async with platform.database.acquire() as connection, database.transaction(connection):
        known = await rows.lock(connection, project_id, api)
        if known is None:
            return 0
        profile = known.profile
        found = await rows.unexamined(connection, project_id, api, EXAMINED_AT_ONCE)
        drifts: dict[RunId, Drift | None] = {}
        for each in found:
            drift = None
            if known.is_watched:
                shape = await _shape(each.result)
                was_drifting = bool(profile.drifted)
                drift, profile = domain.judge(profile, shape)
                if drift is not None and not was_drifting:
                    await _notify(platform, connection, project_id, api, each, drift)
            drifts[each.run_id] = drift
        await rows.examined(connection, drifts)
        for run_id, drift in drifts.items():
            if drift is not None:
                await signals.send(connection, f"run:{run_id}")
        await rows.keep(connection, project_id, api, profile)
    return len(found)


async def list_all(platform: Platform, project_id: ProjectId) -> list[ProfileRow]:
    """The drift profiles of a project's Apis."""
    return await rows.list_all(platform.database, project_id)


async def watch(platform: Platform, project: Project, api: str, *, is_watched: bool) -> None:
    """Turn watching an Api's results on or off; turned on again, it relearns what is usual.

    Raises:
        NotFound: the project has no such Api.
    """
    _check(project, api)
    async with platform.database.acquire() as connection, database.transaction(connection):
        known = await rows.lock(connection, project.id, api, is_patient=True)
        await rows.watch(connection, project.id, api, is_watched=is_watched)
        if known is not None and known.is_watched != is_watched:
            await rows.keep(connection, project.id, api, domain.Profile())


async def accept(platform: Platform, project: Project, api: str) -> None:
    """Accept the recent results of an Api as the usual ones.

    Raises:
        NotFound: the project has no such Api.
    """
    _check(project, api)
    async with platform.database.acquire() as connection, database.transaction(connection):
        known = await rows.lock(connection, project.id, api, is_patient=True)
        if known is not None:
            await rows.keep(connection, project.id, api, domain.accept(known.profile))


async def _shape(result: str) -> domain.Shape:
    if len(result) < _LONG:
        return domain.shape_of(result)
    return await asyncio.to_thread(domain.shape_of, result)


def _check(project: Project, api: str) -> None:
    manifest = project.manifest
    if manifest is None or manifest.api(api) is None:
        raise NotFound(f"There is no API `{api[:200]}` in this project.")


async def _notify(
    platform: Platform,
    connection: Any,
    project_id: ProjectId,
    api: str,
    run: Unexamined,
    drift: Drift,
) -> None:
    """Notify the Run's webhook, if its Sink is one, or the webhooks of its JobRun."""
    about = AboutRun(
        run_id=run.run_id,
        api=api,
        workspace_id=run.workspace_id,
        project_id=project_id,
        project_name=await project_rows.name_of(connection, project_id),
        job_run_id=run.job_run_id,
    )
    notification = Notification(
        kind=NotificationKind.RUN_DRIFTED,
        at=await database.now(connection),
        data={
            "drift": {
                "kinds": [kind.value for kind in drift.kinds],
                "message": drift.message,
                "fields": list(drift.fields),
            }
        },
    )
    webhooks = await _webhooks(platform, connection, api, run)
    await notifications.of_run(platform, connection, about, notification, webhooks)


async def _webhooks(
    platform: Platform, connection: Any, api: str, run: Unexamined
) -> list[WebhookSink]:
    if run.job_run_id is not None:
        return await job_items.told_of(platform, connection, run.job_run_id)
    if run.sealed_sink is None:
        return []
    sink = sealed_sinks.unseal(platform, Owner.RUN, run.run_id, run.sealed_sink)
    return notifications.told(sink, api)
