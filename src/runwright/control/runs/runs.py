"""Runs as callers see them: accepting, reading and canceling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg

from runwright import telemetry, tracing
from runwright.adapters import signals
from runwright.adapters.queue import engine
from runwright.control.auth_sessions import auth_sessions, sealed_sessions
from runwright.control.base import admission, cursors, idempotency, queues, run_plans
from runwright.control.base.current import on_current
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries, sealed_sinks
from runwright.control.deliveries.sealed_sinks import Owner
from runwright.control.runs import endings, job_items, queue_limits
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.ids import ProjectId, RunId, WorkspaceId, new_run_id
from runwright.domain.projects import Deployment, Project, ProjectSettings
from runwright.domain.runs import (
    Cancellation,
    LogLine,
    Run,
    RunDetail,
    RunFile,
    RunFilter,
    RunRequest,
    RunStatus,
)
from runwright.errors import CancelReason, Conflict, NotFound, Problem, ValidationError
from runwright.storage import (
    attempts as attempt_rows,
    auth_sessions as session_rows,
    database,
    deliveries as delivery_rows,
    model_calls as model_call_rows,
    questions as question_rows,
    run_outputs,
    runs as rows,
)

log = telemetry.logger(__name__)

_LOOK_SECONDS = 2.0
_EVENT_LINES = 500


@on_current
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
        ValidationError: the Api is missing, the parameters do not match its schema, or the bucket is invalid.
        Forbidden: the project accepts Runs from Jobs only.
        Conflict: the idempotency key was used with a different request within 24 hours.
        Unavailable: the disk is nearly full.
        RateLimited: the project's queue is full.
    """
    deployment, manifest = run_plans.deployed(project)
    admission.check_disk(platform.settings)
    await deliveries.check_sink(request.sink, "sink")
    run_id = new_run_id()
    plan = run_plans.make(request, manifest, run_id)
    new = rows.NewRun(
        id=run_id,
        workspace_id=project.workspace_id,
        project_id=project.id,
        deployment_id=deployment.id,
        plan=plan,
        sealed_proxy=_seal_proxy(platform, run_id, plan.proxy),
        idempotency_key=idempotency_key,
        request_sha256=idempotency.signed(platform, idempotency_key, request_text),
        sealed_session=sealed_sessions.seal_plan(platform, run_id, plan.session),
        sealed_sink=_seal_sink(platform, run_id, request.sink, deployment),
        correlation_id=telemetry.correlation_id.get(),
        trace_parent=tracing.current(),
        expires_after=queue_limits.patience(platform, manifest.settings),
    )
    if idempotency_key is None:
        return await _insert(platform, new, manifest.settings)
    if (earlier := await _earlier(platform, new, request_text)) is not None:
        return earlier
    try:
        return await _insert(platform, new, manifest.settings)
    except asyncpg.UniqueViolationError:
        # A concurrent request with the same key won.
        if (earlier := await _earlier(platform, new, request_text)) is None:
            raise
        return earlier


async def get(platform: Platform, project_id: ProjectId, run_id: str) -> Run:
    """A Run of the project.

    Raises:
        NotFound: the project has no such Run.
    """
    return (await _row(platform, project_id, run_id)).run


async def watched(platform: Platform, run_id: RunId) -> tuple[Run, RunId] | None:
    """A Run that the caller may watch, and the ID of the Run that a Worker holds for it.

    For a check or create the Worker holds the Run it belongs to; for a Run that waits for its session, the
    operation. None when the Run has been removed.
    """
    row = await rows.get(platform.database, run_id)
    if row is None:
        return None
    if row.run.parent_id is not None:
        return row.run, row.run.parent_id
    if row.waits_for is not None:
        operation = await rows.get(platform.database, RunId(row.waits_for))
        if operation is not None and not operation.run.status.is_terminal:
            return row.run, operation.run.id
    return row.run, row.run.id


async def wait(
    platform: Platform, project_id: ProjectId, run_id: str, *, patience: timedelta
) -> Run:
    """Wait until the Run is terminal or the time is up, and return it."""
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
    """Cancel a Run: at once while it waits, through its Worker once it has started.

    A Run that has ended is left unchanged.

    Raises:
        Conflict: it is a check or create, which is canceled with the Run it belongs to.
    """
    row = await _row(platform, project_id, run_id)
    if row.run.parent_id is not None:
        raise Conflict(f"This belongs to run `{row.run.parent_id}`: cancel that one.")
    async with platform.database.acquire() as connection, database.transaction(connection):
        job_run = await job_items.lock(connection, row.run.job_run_id)
        if row.run.auth_session_id is not None:
            await session_rows.lock(connection, project_id, row.run.auth_session_id)
        held = await rows.lock(connection, run_id)
        if held is not None:
            await endings.cancel(platform, connection, held, cancelled_by_user(), job_run)
    return await get(platform, project_id, run_id)


async def detail(
    platform: Platform,
    workspace_id: WorkspaceId,
    run_id: str,
    *,
    project_id: ProjectId | None = None,
) -> RunDetail:
    """Everything about a Run of the workspace.

    Raises:
        NotFound: the workspace, or that project, has no such Run.
    """
    row = await _row(platform, project_id, run_id)
    if row.run.workspace_id != workspace_id:
        raise _not_found(run_id)
    return RunDetail(
        run=row.run,
        plan=row.plan(proxy=None),
        attempts=await attempt_rows.of_run(platform.database, run_id),
        files=await run_outputs.files(platform.database, run_id),
        parts=await attempt_rows.parts(platform.database, run_id),
        waited_for=row.waits_for,
        correlation_id=row.correlation_id,
        deliveries=await delivery_rows.of_run(platform.database, run_id),
        question=await question_rows.open_of_run(platform.database, run_id),
        models=await model_call_rows.of_run(platform.database, run_id),
    )


async def list_page(
    platform: Platform,
    project_id: ProjectId,
    *,
    chosen: RunFilter,
    cursor: str | None,
    limit: int,
) -> tuple[list[Run], str | None]:
    """Up to `limit` Runs, newest first, and the cursor of the next page if there is one.

    Raises:
        ValidationError: the cursor is invalid.
    """
    before = None if cursor is None else cursors.read(cursor)
    if "\0" in f"{chosen.api}{chosen.attribute}{chosen.job_id}{chosen.job_run_id}":
        # No Run has a NUL, and PostgreSQL accepts none in text.
        return [], None
    found = await rows.page(
        platform.database, project_id, chosen=chosen, before=before, limit=limit + 1
    )
    shown = found[:limit]
    return shown, cursors.write(shown[-1].created_at, shown[-1].id) if len(found) > limit else None


async def logs(platform: Platform, run_id: str, *, after: int, limit: int) -> list[LogLine]:
    """Lines of a Run's log after an ID."""
    return await run_outputs.log_lines(platform.database, run_id, after=after, limit=limit)


async def file(platform: Platform, project_id: ProjectId, run_id: str, file_id: int) -> RunFile:
    """A file of a Run.

    Raises:
        NotFound: the Run has no such file.
    """
    await get(platform, project_id, run_id)
    found = await run_outputs.file(platform.database, run_id, file_id)
    if found is None:
        raise NotFound(f"Run `{run_id}` has no file `{file_id}`.")
    return found


async def open_file(platform: Platform, file: RunFile) -> AsyncIterator[bytes]:
    """The bytes of a file, in chunks.

    Raises:
        NotFound: the file has been removed.
        BlobsAway: the blob store does not answer.
    """
    return await platform.blobs.read(file.blob)


async def events(
    platform: Platform, project_id: ProjectId, run_id: str, *, after: int
) -> AsyncIterator[Run | LogLine]:
    """Yield the Run at each change of state, and its log lines after an ID, until it is terminal."""
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
    """The cancellation of a Run that a caller asked to cancel."""
    return Cancellation(
        reason=CancelReason.CANCELLED_USER_ACTION, message="The run was canceled on request."
    )


async def _insert(platform: Platform, new: rows.NewRun, settings: ProjectSettings) -> Run:
    async with platform.database.acquire() as connection, database.transaction(connection):
        await queue_limits.check(platform, connection, new.project_id, settings)
        row = await rows.insert(connection, new)
        await _check_session(connection, new)
        await engine.enqueue(connection, queues.entry(new.project_id, new.id, row.turn))
    log.info("run accepted", event_name="run_accepted", run_id=new.id, api=new.plan.api)
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
    idempotency.check(platform, new.idempotency_key, request_text, found.request_sha256)
    return found.run


async def _row(platform: Platform, project_id: ProjectId | None, run_id: str) -> rows.RunRow:
    row = None if "\0" in run_id else await rows.get(platform.database, run_id)
    if row is None or (project_id is not None and row.run.project_id != project_id):
        raise _not_found(run_id)
    return row


def _not_found(run_id: str) -> NotFound:
    return NotFound(f"There is no run `{run_id[:64]}` here.")


def _seal_sink(
    platform: Platform, run_id: RunId, given: Sink | None, deployment: Deployment
) -> bytes | None:
    sink = sealed_sinks.or_default(platform, given, deployment)
    return None if sink is None else sealed_sinks.seal(platform, Owner.RUN, run_id, sink)


def _seal_proxy(platform: Platform, run_id: RunId, proxy: str | None) -> bytes | None:
    return None if proxy is None else platform.vault.seal(proxy.encode(), record=f"run:{run_id}")
