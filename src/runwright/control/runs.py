"""Runs: accepting, answering about, and cancelling them. What callers ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import jsonschema_rs

from runwright.adapters import engine, signals
from runwright.control import auth_sessions, cursors, deliveries, endings, queues
from runwright.control.platform import Platform
from runwright.domain import runs as domain
from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.ids import ProjectId, RunId, WorkspaceId, new_run_id
from runwright.domain.projects import Deployment, Manifest, Project, ProjectSettings
from runwright.domain.runs import (
    Cancellation,
    LogLine,
    Run,
    RunDetail,
    RunFile,
    RunFilter,
    RunPlan,
    RunRequest,
    RunStatus,
)
from runwright.domain.sinks import Sink
from runwright.errors import CancelReason, Conflict, Forbidden, NotFound, Problem, ValidationError
from runwright.storage import (
    auth_sessions as session_rows,
    database,
    deliveries as delivery_rows,
    runs as rows,
)

_LOOK_SECONDS = 2.0
_MAX_SCHEMA_PROBLEMS = 20
_EVENT_LINES = 500


async def start(
    platform: Platform,
    project: Project,
    request: RunRequest,
    *,
    idempotency_key: str | None,
    request_text: str,
) -> Run:
    """Accept a Run: its row and its queue entry are committed together before this returns.

    Raises:
        NotFound: nothing is deployed yet.
        ValidationError: there is no such Api, or the parameters do not fit its schema.
        Forbidden: the project takes Runs from Jobs alone.
        Conflict: the idempotency key was used with another request within 24 hours.
    """
    deployment, manifest = _deployed(project)
    run_id = new_run_id()
    plan = _plan(request, manifest, run_id)
    new = rows.NewRun(
        id=run_id,
        workspace_id=project.workspace_id,
        project_id=project.id,
        deployment_id=deployment.id,
        plan=plan,
        sealed_proxy=_seal_proxy(platform, run_id, plan.proxy),
        idempotency_key=idempotency_key,
        # Keyed, because the request may hold a password that others could guess by its hash.
        request_sha256=platform.vault.sign(request_text).encode() if idempotency_key else None,
        sealed_session=auth_sessions.seal_plan(platform, run_id, plan.session),
        sealed_sink=_seal_sink(platform, run_id, request.sink, deployment),
    )
    if idempotency_key is None:
        return await _insert(platform, new)
    if (earlier := await _earlier(platform, new, request_text)) is not None:
        return earlier
    try:
        return await _insert(platform, new)
    except asyncpg.UniqueViolationError:
        # The same key at the same moment: the other one won.
        if (earlier := await _earlier(platform, new, request_text)) is None:
            raise
        return earlier


async def get(platform: Platform, project_id: ProjectId, run_id: str) -> Run:
    """Return a Run of the project.

    Raises:
        NotFound: the project has no such Run.
    """
    return (await _row(platform, project_id, run_id)).run


async def wait(
    platform: Platform, project_id: ProjectId, run_id: str, *, patience: timedelta
) -> Run:
    """Return the Run when it is terminal or when the time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    with platform.signals.subscribe(f"run:{run_id}") as signalled:
        while True:
            run = await get(platform, project_id, run_id)
            left = deadline - loop.time()
            if run.status.is_terminal or left <= 0:
                return run
            await signals.wait(signalled, min(left, _LOOK_SECONDS))


async def cancel(platform: Platform, project_id: ProjectId, run_id: str) -> Run:
    """Cancel a Run: at once when it waits, through its Worker when it is started.

    A Run that has ended stays as it is.

    Raises:
        Conflict: it is a check or create, which is canceled with what it is a part of.
    """
    row = await _row(platform, project_id, run_id)
    if row.run.parent_id is not None:
        raise Conflict(f"This is a part of run `{row.run.parent_id}`: cancel that one.")
    async with platform.database.acquire() as connection, database.transaction(connection):
        if row.run.auth_session_id is not None:
            await session_rows.lock(connection, project_id, row.run.auth_session_id)
        is_canceled = await endings.cancel_pending(
            platform, connection, run_id, cancelled_by_user()
        )
        if not is_canceled and await rows.request_cancel(connection, run_id):
            await signals.send(connection, "interrupted")
            if row.waits_for is not None:
                # Nobody holds it: let a Worker look, which ends it.
                again = queues.entry_after_waiting(project_id, run_id, row.turn, row.fence)
                await engine.enqueue(connection, again)
    return await get(platform, project_id, run_id)


async def detail(
    platform: Platform,
    workspace_id: WorkspaceId,
    run_id: str,
    *,
    project_id: ProjectId | None = None,
) -> RunDetail:
    """Return everything about a Run of the workspace.

    Raises:
        NotFound: there is no such Run, or not in that project.
    """
    row = await _row(platform, project_id, run_id)
    if row.run.workspace_id != workspace_id:
        raise _not_found(run_id)
    return RunDetail(
        run=row.run,
        plan=row.plan(proxy=None),
        attempts=await rows.attempts(platform.database, run_id),
        files=await rows.files(platform.database, run_id),
        parts=await rows.parts(platform.database, run_id),
        waited_for=row.waits_for,
        deliveries=await delivery_rows.of_run(platform.database, run_id),
    )


async def list_page(
    platform: Platform,
    project_id: ProjectId,
    *,
    chosen: RunFilter,
    cursor: str | None,
    limit: int,
) -> tuple[list[Run], str | None]:
    """Return up to `limit` Runs, newest first, and the cursor of the next page if there is one.

    Raises:
        ValidationError: the cursor is none that this gave out.
    """
    before = None if cursor is None else cursors.read(cursor)
    if "\0" in f"{chosen.api}{chosen.attribute}":
        # No Run has it, and PostgreSQL takes none in a text.
        return [], None
    found = await rows.page(
        platform.database, project_id, chosen=chosen, before=before, limit=limit + 1
    )
    shown = found[:limit]
    return shown, cursors.write(shown[-1].created_at, shown[-1].id) if len(found) > limit else None


async def logs(platform: Platform, run_id: str, *, after: int, limit: int) -> list[LogLine]:
    """Return lines of a Run's log after an id."""
    return await rows.log_lines(platform.database, run_id, after=after, limit=limit)


async def file(platform: Platform, project_id: ProjectId, run_id: str, file_id: int) -> RunFile:
    """Return a file of a Run.

    Raises:
        NotFound: the Run has no such file.
    """
    await get(platform, project_id, run_id)
    found = await rows.file(platform.database, run_id, file_id)
    if found is None:
        raise NotFound(f"Run `{run_id}` has no file `{file_id}`.")
    return found


async def open_file(platform: Platform, file: RunFile) -> AsyncIterator[bytes]:
    """Yield the bytes of a file."""
    async for chunk in platform.blobs.read(file.blob):
        yield chunk


async def events(
    platform: Platform, project_id: ProjectId, run_id: str, *, after: int
) -> AsyncIterator[Run | LogLine]:
    """Yield the Run at each change of its state and its log lines after an id, until it is terminal."""
    shown: tuple[RunStatus, int] | None = None
    with platform.signals.subscribe(f"run:{run_id}") as signalled:
        while True:
            run = await get(platform, project_id, run_id)
            if run.status.is_terminal is False and shown != (run.status, run.attempt):
                shown = (run.status, run.attempt)
                yield run
            lines = await logs(platform, run_id, after=after, limit=_EVENT_LINES)
            for line in lines:
                after = line.id
                yield line
            if len(lines) == _EVENT_LINES:
                continue
            if run.status.is_terminal:
                yield run
                return
            await signals.wait(signalled, _LOOK_SECONDS)


def cancelled_by_user() -> Cancellation:
    """Return the cancellation that a person or program asked for."""
    return Cancellation(
        reason=CancelReason.CANCELLED_USER_ACTION, message="The run was canceled on request."
    )


async def _insert(platform: Platform, new: rows.NewRun) -> Run:
    async with platform.database.acquire() as connection, database.transaction(connection):
        row = await rows.insert(connection, new)
        await _check_session(connection, new)
        await engine.enqueue(connection, queues.entry(new.project_id, new.id, row.turn))
    return row.run


async def _check_session(connection: Any, new: rows.NewRun) -> None:
    plan = new.plan.session
    if plan is None:
        return
    if plan.parameters is not None:
        await auth_sessions.make_runtime(connection, new.project_id, new.id, plan)
    elif await session_rows.get(connection, new.project_id, plan.id) is None:
        message = f"names no auth session of this project: {plan.id!r:.150}"
        raise ValidationError([Problem(path="authSession.id", message=message)])


async def _earlier(platform: Platform, new: rows.NewRun, request_text: str) -> Run | None:
    assert new.idempotency_key is not None
    found = await rows.find_idempotent(platform.database, new.project_id, new.idempotency_key)
    if found is None:
        return None
    known = (found.request_sha256 or b"").decode("utf-8", "replace")
    if not platform.vault.is_signed(request_text, known):
        raise Conflict(
            f"The idempotency key `{new.idempotency_key}` was used with another request: "
            "send the same request again, or use a new key."
        )
    return found.run


async def _row(platform: Platform, project_id: ProjectId | None, run_id: str) -> rows.RunRow:
    row = None if "\0" in run_id else await rows.get(platform.database, run_id)
    if row is None or (project_id is not None and row.run.project_id != project_id):
        raise _not_found(run_id)
    return row


def _not_found(run_id: str) -> NotFound:
    return NotFound(f"There is no run `{run_id[:64]}` here.")


def _deployed(project: Project) -> tuple[Deployment, Manifest]:
    if project.current is None or project.current.manifest is None:
        raise NotFound(f"Nothing is deployed to the project `{project.name}` yet: deploy it first.")
    return project.current, project.current.manifest


def _plan(request: RunRequest, manifest: Manifest, run_id: RunId) -> RunPlan:
    settings = manifest.settings
    if not settings.is_api_access_enabled:
        raise Forbidden("This project takes runs from jobs alone: its API access is disabled.")
    api = manifest.api(request.api)
    if api is None:
        known = ", ".join(f"`{each.name}`" for each in manifest.apis[:10])
        raise ValidationError(
            [
                Problem(
                    path="api",
                    message=f"names no API of this project: {request.api!r}; it has {known}",
                )
            ]
        )
    if api.parameters_schema is not None:
        _check_parameters(request.parameters, api.parameters_schema)
    return RunPlan(
        api=request.api,
        parameters=request.parameters,
        proxy=request.proxy or settings.default_proxy,
        save_trace=request.save_trace,
        save_har=request.save_har,
        request_timeout=request.request_timeout
        or settings.default_request_timeout
        or domain.DEFAULT_REQUEST_TIMEOUT,
        maximum_attempts=request.maximum_attempts or settings.default_maximum_attempts or 1,
        session=_session_plan(request.session, settings, run_id),
    )


def _session_plan(
    asked: SessionPlan | None, settings: ProjectSettings, run_id: RunId
) -> SessionPlan | None:
    if not settings.has_auth_sessions:
        if asked is not None:
            message = "is given, and this project has no auth sessions: leave it out"
            raise ValidationError([Problem(path="authSession", message=message)])
        return None
    if asked is None:
        message = "is missing: every run of this project needs an auth session"
        raise ValidationError([Problem(path="authSession", message=message)])
    if asked.parameters is not None and not settings.can_create_sessions:
        message = "is given, and this project has no `auth-sessions/create.py` to sign in with it"
        raise ValidationError([Problem(path="authSession.runtimeInput", message=message)])
    every = asked.check_every
    return replace(
        asked,
        # Without a name a session is this Run's alone, and has its id.
        id=asked.id or run_id,
        check_every=timedelta(seconds=settings.session_check_every) if every is None else every,
        save_trace=settings.save_session_traces if asked.save_trace is None else asked.save_trace,
    )


def _check_parameters(parameters: dict[str, Any], schema: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(schema)
    problems = [
        Problem(
            path=".".join(("parameters", *(str(part) for part in error.instance_path))),
            message=error.message,
        )
        for error, _ in zip(
            validator.iter_errors(parameters), range(_MAX_SCHEMA_PROBLEMS), strict=False
        )
    ]
    if problems:
        raise ValidationError(problems)


def _seal_sink(
    platform: Platform, run_id: RunId, sink: Sink | None, deployment: Deployment
) -> bytes | None:
    if sink is None and deployment.sealed_sink is not None:
        record = f"deployment-sink:{deployment.id}"
        sink = deliveries.unseal(platform, record, deployment.sealed_sink)
    return None if sink is None else deliveries.seal(platform, f"run-sink:{run_id}", sink)


def _seal_proxy(platform: Platform, run_id: RunId, proxy: str | None) -> bytes | None:
    return None if proxy is None else platform.vault.seal(proxy.encode(), record=f"run:{run_id}")
