"""AuthSessions as callers see them: creating, updating, validating and deleting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from runwright.adapters import signals
from runwright.control.auth_sessions import sealed_sessions, session_operations
from runwright.control.base import run_plans
from runwright.control.base.current import on_current
from runwright.control.base.platform import Platform
from runwright.domain.auth_sessions import (
    SESSION_ID_RULE,
    AuthSession,
    AuthState,
    SessionOperation,
    SessionPlan,
    SessionSource,
    SessionStatus,
    SessionType,
    is_session_id,
)
from runwright.domain.ids import ProjectId, RunId
from runwright.domain.projects import Project
from runwright.domain.runs import Run, RunKind
from runwright.errors import (
    Conflict,
    NotFound,
    Problem,
    ValidationError,
)
from runwright.storage import (
    attempts as attempt_rows,
    auth_sessions as rows,
    database,
    runs as run_rows,
)
from runwright.storage.auth_sessions import NewSession, SessionRow
from runwright.storage.runs import RunRow

_LOOK_SECONDS = 2.0


async def list_all(platform: Platform, project_id: ProjectId) -> list[AuthSession]:
    """The sessions of a project, ordered by ID."""
    return await rows.list_all(platform.database, project_id)


async def get(platform: Platform, project_id: ProjectId, session_id: str) -> AuthSession:
    """One session.

    Raises:
        NotFound: the project has no such session.
    """
    return (await _row(platform, project_id, session_id)).session


@on_current
async def create(platform: Platform, project: Project, plan: SessionPlan) -> Run:
    """Accept a new CREDENTIALS session, which is PENDING until its first create has ended.

    Raises:
        ValidationError: the project cannot create sessions from parameters.
        Conflict: the ID is taken.
        SessionInUse: the session is being created right now.
    """
    deployed = session_operations.deployed(project, needs_create=True)
    _check_id(plan.id)
    new = NewSession(
        project_id=project.id,
        id=plan.id,
        type=SessionType.CREDENTIALS,
        status=SessionStatus.PENDING,
        **sealed_sessions.seal_input(platform, project.id, plan),
    )
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await rows.insert(connection, new):
            known = await rows.lock(connection, project.id, plan.id)
            if known is not None and known.session.status is SessionStatus.PENDING:
                raise session_operations.in_use(plan.id)
            raise Conflict(
                f"There is an auth session `{plan.id}` already: update it, or choose another ID."
            )
        return await session_operations.begin(platform, connection, deployed, plan)


@on_current
async def update(platform: Platform, project: Project, plan: SessionPlan) -> Run:
    """Accept new parameters for a session; they replace the old ones once a create with them succeeds.

    Raises:
        NotFound: the project has no such session.
        ValidationError: it was not created from parameters.
        Conflict: it is declared by the project's code.
        SessionInUse: another operation is in progress.
    """
    deployed = session_operations.deployed(project, needs_create=True)
    known = (await _row(platform, project.id, plan.id)).session
    if known.type is not SessionType.CREDENTIALS:
        message = f"is of a {known.type.value} session, which has no parameters to update"
        raise ValidationError([Problem(path="parameters", message=message)])
    if known.source is SessionSource.CODE:
        raise Conflict(
            f"The auth session `{plan.id}` is declared by the project's code: change it there and deploy."
        )
    async with platform.database.acquire() as connection, database.transaction(connection):
        return await session_operations.begin(platform, connection, deployed, plan)


@on_current
async def record(platform: Platform, project: Project, plan: SessionPlan) -> Run:
    """Accept a recording: a person signs in through the live view of the returned Run.

    A RECORDER session with that ID is unchanged until the new state passes its check.

    Raises:
        ValidationError: the project has no sessions, or no URL to sign in at.
        Conflict: the ID belongs to a session of another type.
        SessionInUse: another operation is in progress.
    """
    deployed = session_operations.deployed(project, needs_create=False)
    _check_id(plan.id)
    _, manifest = run_plans.deployed(project)
    settings = manifest.settings
    start_url = plan.start_url or settings.session_start_url
    if start_url is None:
        message = "is missing: give the URL to sign in at, here or as `auth_sessions.start_url`"
        raise ValidationError([Problem(path="startUrl", message=message)])
    finish_url = plan.finish_url or settings.session_finish_url
    new = NewSession(
        project_id=project.id,
        id=plan.id,
        type=SessionType.RECORDER,
        status=SessionStatus.PENDING,
    )
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await rows.insert(connection, new):
            known = await rows.lock(connection, project.id, plan.id)
            if known is None or known.session.type is not SessionType.RECORDER:
                raise Conflict(
                    f"There is an auth session `{plan.id}` of another type already: choose another ID."
                )
        wanted = replace(plan, start_url=start_url, finish_url=finish_url)
        return await session_operations.begin(platform, connection, deployed, wanted)


@on_current
async def validate(platform: Platform, project: Project, plan: SessionPlan) -> Run:
    """Accept a check of a session, and its repair if the plan allows one.

    Raises:
        NotFound: the project has no such session.
        SessionInUse: another operation is in progress.
    """
    deployed = session_operations.deployed(project, needs_create=False)
    await _row(platform, project.id, plan.id)
    async with platform.database.acquire() as connection, database.transaction(connection):
        return await session_operations.begin(platform, connection, deployed, plan)


async def upload(
    platform: Platform, project: Project, session_id: str, state: AuthState, proxy: str | None
) -> AuthSession:
    """Create a RECORDER session from an uploaded state, or replace the state of one.

    Raises:
        ValidationError: the project has no sessions.
        Conflict: the ID belongs to a session of another type.
        TooLarge: the state is larger than allowed.
    """
    session_operations.deployed(project, needs_create=False)
    _check_id(session_id)
    sealed = sealed_sessions.seal_state(platform, project.id, session_id, state)
    new = NewSession(
        project_id=project.id,
        id=session_id,
        type=SessionType.RECORDER,
        status=SessionStatus.READY,
        sealed_state=sealed,
        sealed_proxy=sealed_sessions.seal_proxy(platform, project.id, session_id, proxy),
    )
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await rows.insert(connection, new):
            known = await rows.lock(connection, project.id, session_id)
            if known is None or known.session.type is not SessionType.RECORDER:
                raise Conflict(
                    f"There is an auth session `{session_id}` of another type already: choose another ID."
                )
            if await run_rows.active_operation(connection, project.id, session_id):
                raise session_operations.in_use(session_id)
            await rows.renew(
                connection,
                project.id,
                session_id,
                sealed_state=sealed,
                input_digest=None,
                sealed_parameters=None,
                sealed_proxy=new.sealed_proxy,
            )
    return await get(platform, project.id, session_id)


async def delete(platform: Platform, project_id: ProjectId, session_id: str) -> None:
    """Delete a session and cancel its operation, if one is in progress.

    Raises:
        NotFound: the project has no such session.
        Conflict: it is declared by the project's code.
    """
    known = (await _row(platform, project_id, session_id)).session
    if known.source is SessionSource.CODE:
        raise Conflict(
            f"The auth session `{session_id}` is declared by the project's code: remove it there and deploy."
        )
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.lock(connection, project_id, session_id)
        await session_operations.forget(connection, project_id, session_id)


async def wait(
    platform: Platform,
    project_id: ProjectId,
    operation_id: str,
    kind: SessionOperation,
    session_id: str | None,
    *,
    patience: timedelta,
) -> tuple[Run, str | None]:
    """Wait until an operation is over or the time is up; return it with the ID of its current part.

    Raises:
        NotFound: no such operation of that kind and session exists.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    with platform.signals.subscribe(f"run:{operation_id}") as signalled:
        while True:
            row = (
                None
                if "\0" in operation_id
                else await run_rows.get(platform.database, operation_id)
            )
            if row is None or not _is_operation(row, project_id, kind, session_id):
                raise NotFound(f"There is no {kind.value} operation `{operation_id[:64]}` here.")
            left = deadline - loop.time()
            if row.run.status.is_terminal or left <= 0:
                parts = await attempt_rows.parts(platform.database, row.run.id)
                return row.run, parts[-1].id if parts else None
            await signals.wait(signalled, min(left, _LOOK_SECONDS))


async def make_runtime(
    connection: Any, project_id: ProjectId, run_id: RunId, plan: SessionPlan
) -> None:
    """Ensure that a RUNTIME session with the plan's ID exists; an unnamed one is removed with its Run.

    Raises:
        Conflict: the ID belongs to a session of another type.
    """
    new = NewSession(
        project_id=project_id,
        id=plan.id,
        type=SessionType.RUNTIME,
        status=SessionStatus.PENDING,
        only_for=run_id if plan.id == run_id else None,
    )
    if await rows.insert(connection, new):
        return
    known = await rows.get(connection, project_id, plan.id)
    if known is not None and known.session.type is not SessionType.RUNTIME:
        raise Conflict(
            f"The auth session `{plan.id}` is of type {known.session.type.value}: "
            "omit `runtimeInput`, or choose another ID."
        )


def _is_operation(
    row: RunRow, project_id: ProjectId, kind: SessionOperation, session_id: str | None
) -> bool:
    plan = row.session
    return (
        row.run.kind is RunKind.OPERATION
        and row.run.project_id == project_id
        and plan is not None
        and plan.operation is kind
        and session_id in (None, plan.id)
    )


async def _row(platform: Platform, project_id: ProjectId, session_id: str) -> SessionRow:
    found = None
    if is_session_id(session_id):
        found = await rows.get(platform.database, project_id, session_id)
    if found is None:
        raise NotFound(f"There is no auth session `{session_id[:128]}` in this project.")
    return found


def _check_id(session_id: str) -> None:
    if not is_session_id(session_id):
        raise ValidationError([Problem(path="id", message=SESSION_ID_RULE)])
