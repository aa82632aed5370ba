"""AuthSessions that a project's code declares, reconciled with it at each deploy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runwright.control.auth_sessions import sealed_sessions, session_operations
from runwright.control.base.platform import Platform
from runwright.domain.auth_sessions import (
    SessionOperation,
    SessionPlan,
    SessionSource,
    SessionStatus,
    SessionType,
)
from runwright.domain.projects import Project
from runwright.errors import SessionInUse
from runwright.storage import auth_sessions as rows
from runwright.storage.auth_sessions import NewSession


async def declare(
    platform: Platform, connection: Any, project: Project, declared: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Reconcile a project's declared sessions with its new current Deployment; return lines for the deploy's log.

    A session that a caller created keeps its ID.
    """
    said: list[str] = []
    known = {row.session.id: row for row in await rows.of_code(connection, project.id)}
    for session_id in known.keys() - declared.keys():
        await session_operations.forget(connection, project.id, session_id)
        said.append(f"The auth session `{session_id}` is no longer declared and was removed")
    for session_id, parameters in declared.items():
        plan = SessionPlan(id=session_id, operation=SessionOperation.CREATE, parameters=parameters)
        if session_id not in known:
            said.append(await _declare_new(platform, connection, project, plan))
        elif known[session_id].input_digest != sealed_sessions.digest(
            platform, project.id, parameters
        ):
            changed = replace(plan, operation=SessionOperation.UPDATE)
            said.append(await _declare_changed(platform, connection, project, changed))
    return said


async def _declare_new(
    platform: Platform, connection: Any, project: Project, plan: SessionPlan
) -> str:
    new = NewSession(
        project_id=project.id,
        id=plan.id,
        type=SessionType.CREDENTIALS,
        status=SessionStatus.PENDING,
        source=SessionSource.CODE,
        **sealed_sessions.seal_input(platform, project.id, plan),
    )
    if not await rows.insert(connection, new):
        return f"There is an auth session `{plan.id}` that the code did not create: it is left unchanged"
    await session_operations.begin(
        platform, connection, session_operations.deployed(project, needs_create=True), plan
    )
    return f"Creating the auth session `{plan.id}`"


async def _declare_changed(
    platform: Platform, connection: Any, project: Project, plan: SessionPlan
) -> str:
    try:
        await session_operations.begin(
            platform, connection, session_operations.deployed(project, needs_create=True), plan
        )
    except SessionInUse:
        return f"The auth session `{plan.id}` is in use and keeps its parameters: deploy again to update it"
    return f"Updating the auth session `{plan.id}`"
