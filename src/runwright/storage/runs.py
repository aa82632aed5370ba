"""Runs, Attempts, their logs and files, as rows: one function a query of `sql/runs.sql`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runwright.domain.auth_sessions import SessionOperation, SessionPlan
from runwright.domain.failures import Failure
from runwright.domain.ids import DeploymentId, ProjectId, RunId, WorkerId, WorkspaceId
from runwright.domain.runs import (
    Attempt,
    AttemptStatus,
    Cancellation,
    ExtendedPayload,
    LogLine,
    Run,
    RunFile,
    RunFilter,
    RunKind,
    RunPlan,
    RunStatus,
)
from runwright.errors import CancelReason, Category, FailureCode
from runwright.storage.database import queries

_SQL = queries("runs")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A Run with what only the platform needs to know of it."""

    run: Run
    parameters: str
    """JSON text."""
    sealed_proxy: bytes | None
    save_trace: bool
    request_timeout: timedelta
    fence: int
    turn: int
    request_sha256: bytes | None
    is_cancel_requested: bool
    save_har: bool
    variables_version: int
    """Of the project, when the row was claimed; 0 in every other row."""
    session: SessionPlan | None
    """Without what is secret of it, which is in `sealed_session`."""
    sealed_session: bytes | None
    waits_for: str | None
    sealed_sink: bytes | None

    def plan(self, *, proxy: str | None, session: SessionPlan | None = None) -> RunPlan:
        """Return what the Run was accepted with; `proxy` and `session` are the opened ones."""
        return RunPlan(
            api=self.run.api,
            parameters=json.loads(self.parameters),
            proxy=proxy,
            save_trace=self.save_trace,
            save_har=self.save_har,
            request_timeout=self.request_timeout,
            maximum_attempts=self.run.maximum_attempts,
            session=session or self.session,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRun:
    """A Run about to be accepted."""

    id: RunId
    workspace_id: WorkspaceId
    project_id: ProjectId
    deployment_id: DeploymentId
    plan: RunPlan
    sealed_proxy: bytes | None
    idempotency_key: str | None = None
    request_sha256: bytes | None = None
    kind: RunKind = RunKind.API
    sealed_session: bytes | None = None
    sealed_sink: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a Run and its last Attempt end: what `finish` writes."""

    status: RunStatus
    result: str | None = None
    extended_payloads: tuple[ExtendedPayload, ...] = ()
    failure: Failure | None = None
    cancellation: Cancellation | None = None
    attempt_failure: Failure | None = None
    """The last Attempt's own, which a sum of several is not."""
    author_started_at: datetime | None = None
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


async def insert(connection: Any, new: NewRun) -> RunRow:
    """Accept a Run; its turn in the fair order comes back with it."""
    row = await connection.fetchrow(
        _SQL["insert"],
        new.id,
        new.workspace_id,
        new.project_id,
        new.deployment_id,
        new.plan.api,
        json.dumps(new.plan.parameters),
        new.sealed_proxy,
        new.plan.save_trace,
        new.plan.request_timeout,
        new.plan.maximum_attempts,
        new.idempotency_key,
        new.request_sha256,
        new.plan.save_har,
        new.kind.value,
        None if new.plan.session is None else new.plan.session.id,
        _session_text(new.plan.session),
        new.sealed_session,
        new.sealed_sink,
    )
    return _run_row(row)


async def find_idempotent(connection: Any, project_id: ProjectId, key: str) -> RunRow | None:
    """Return the Run that the key made within its day, freeing the key if it is older."""
    row = await connection.fetchrow(_SQL["find_idempotent"], project_id, key)
    if row is None:
        await connection.execute(_SQL["forget_idempotency_key"], project_id, key)
        return None
    return _run_row(row)


async def get(connection: Any, run_id: str) -> RunRow | None:
    """Return one Run."""
    row = await connection.fetchrow(_SQL["get"], run_id)
    return None if row is None else _run_row(row)


async def lock(connection: Any, run_id: str) -> RunRow | None:
    """Return one Run, held until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock"], run_id)
    return None if row is None else _run_row(row)


async def claim_first(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Take a waiting Run for the first time; None when it is not waiting. See the statement."""
    row = await connection.fetchrow(_SQL["claim_first"], run_id, worker_id)
    return None if row is None else _run_row(row)


async def claim_next(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Begin another Attempt of a locked Run."""
    row = await connection.fetchrow(_SQL["claim_next"], run_id, worker_id)
    return None if row is None else _run_row(row)


async def claim_prepared(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Take a locked operation, or Run whose session comes first; no Attempt begins."""
    row = await connection.fetchrow(_SQL["claim_prepared"], run_id, worker_id)
    return None if row is None else _run_row(row)


async def begin_attempt(connection: Any, run_id: str, fence: int) -> int | None:
    """Begin an Attempt under the fence; return its number, or None when the fence has moved on."""
    return await connection.fetchval(_SQL["begin_attempt"], run_id, fence)


async def begin_part(  # noqa: PLR0913 - the columns of a row
    connection: Any,
    part_id: RunId,
    parent: tuple[str, int],
    kind: RunKind,
    *,
    save_trace: bool,
    request_timeout: timedelta,
    maximum_attempts: int,
) -> bool:
    """Begin a check or create of the Run with that id and fence; return whether the fence held."""
    row = await connection.fetchrow(
        _SQL["begin_part"],
        part_id,
        *parent,
        kind.value,
        save_trace,
        request_timeout,
        maximum_attempts,
    )
    return row is not None


async def parts(connection: Any, run_id: str) -> tuple[Run, ...]:
    """Return the checks and creates of a Run, in order."""
    return tuple(_run_row(row).run for row in await connection.fetch(_SQL["parts"], run_id))


async def lose_parts(connection: Any, run_id: str, failure: Failure) -> None:
    """End the checks and creates of a locked Run whose Worker is gone."""
    await connection.execute(_SQL["lose_parts"], run_id, _failure_text(failure))


async def park(connection: Any, run_id: str, fence: int, operation_id: str) -> bool:
    """Let a claimed Run wait for an operation; return whether the fence still held."""
    return await connection.fetchrow(_SQL["park"], run_id, fence, operation_id) is not None


async def waiting(connection: Any, operation_id: str) -> list[tuple[RunId, ProjectId, int, int]]:
    """Return id, project, turn and fence of the Runs that wait for an operation."""
    rows = await connection.fetch(_SQL["waiting"], operation_id)
    return [
        (RunId(row["id"]), ProjectId(row["project_id"]), row["turn"], row["fence"]) for row in rows
    ]


async def active_operation(
    connection: Any, project_id: ProjectId, session_id: str
) -> RunRow | None:
    """Return the operation that a session is held by; it cannot end before the transaction does."""
    row = await connection.fetchrow(_SQL["active_operation"], project_id, session_id)
    return None if row is None else _run_row(row)


async def lose_attempts(connection: Any, run_id: str, failure: Failure) -> int:
    """End the Attempts of a locked Run whose Worker is gone; return how many there were."""
    return len(await connection.fetch(_SQL["lose_attempts"], run_id, _failure_text(failure)))


async def attempts(connection: Any, run_id: str) -> tuple[Attempt, ...]:
    """Return all Attempts of a Run, in order."""
    return tuple(_attempt(row) for row in await connection.fetch(_SQL["attempts"], run_id))


async def finish(connection: Any, run_id: str, fence: int, ending: Ending) -> RunRow | None:
    """Turn the Run terminal under its fence; None when the fence has moved on."""
    row = await connection.fetchrow(
        _SQL["finish"],
        run_id,
        fence,
        ending.status.value,
        ending.result,
        _payloads_text(ending.extended_payloads) if ending.status is RunStatus.COMPLETED else None,
        _failure_text(ending.failure),
        _cancellation_text(ending.cancellation),
        _failure_text(ending.attempt_failure),
        ending.author_started_at,
        _attributes_text(ending.attributes),
    )
    return None if row is None else _run_row(row)


async def retry(connection: Any, run_id: str, fence: int, ending: Ending) -> bool:
    """End an Attempt and leave the Run waiting for its next; return whether the fence still held."""
    row = await connection.fetchrow(
        _SQL["retry"],
        run_id,
        fence,
        _failure_text(ending.attempt_failure),
        ending.author_started_at,
        _attributes_text(ending.attributes),
    )
    return row is not None


async def give_back(connection: Any, run_id: str, fence: int) -> bool:
    """Undo a claim, so that an interrupted Attempt does not count."""
    return await connection.fetchrow(_SQL["give_back"], run_id, fence) is not None


async def cancel_pending(connection: Any, run_id: str, cancellation: Cancellation) -> RunRow | None:
    """Cancel a Run that no Worker has begun; None when there is none."""
    row = await connection.fetchrow(
        _SQL["cancel_pending"], run_id, _cancellation_text(cancellation)
    )
    return None if row is None else _run_row(row)


async def cancel_pending_of_project(
    connection: Any, project_id: ProjectId, cancellation: Cancellation
) -> list[RunRow]:
    """Cancel every Run of a project that no Worker has begun; return them."""
    rows = await connection.fetch(
        _SQL["cancel_pending_of_project"], project_id, _cancellation_text(cancellation)
    )
    return [_run_row(row) for row in rows]


async def request_cancel(connection: Any, run_id: str) -> bool:
    """Ask the Worker of a started Run to cancel it; return whether it is started."""
    return await connection.fetchrow(_SQL["request_cancel"], run_id) is not None


async def interrupted(connection: Any, held: Sequence[tuple[str, int]]) -> dict[str, bool]:
    """Return which of the held Runs must stop: True lost to another fence, False asked to cancel."""
    rows = await connection.fetch(
        _SQL["interrupted"], [run_id for run_id, _ in held], [fence for _, fence in held]
    )
    return {row["id"]: row["is_lost"] for row in rows}


async def unfinished(connection: Any, limit: int) -> list[tuple[RunId, ProjectId, int]]:
    """Return id, project and turn of Runs that are not terminal, oldest first."""
    rows = await connection.fetch(_SQL["unfinished"], limit)
    return [(RunId(row["id"]), ProjectId(row["project_id"]), row["turn"]) for row in rows]


async def page(
    connection: Any,
    project_id: ProjectId,
    *,
    chosen: RunFilter,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Run]:
    """Return Runs of a project, newest first."""
    at, run_id = before or (None, None)
    rows = await connection.fetch(
        _SQL["page"],
        project_id,
        chosen.api,
        chosen.status and chosen.status.value,
        chosen.since,
        chosen.until,
        None if chosen.attribute is None else json.dumps(dict([chosen.attribute])),
        at,
        run_id,
        limit,
    )
    return [_run_row(row).run for row in rows]


async def add_log_lines(
    connection: Any, run_id: str, attempt: int, lines: Sequence[LogLine]
) -> None:
    """Keep lines of an Attempt's log; their `id` is given by the database."""
    await connection.execute(
        _SQL["add_log_lines"],
        run_id,
        attempt,
        [line.at for line in lines],
        [line.stream for line in lines],
        [line.level for line in lines],
        [line.text for line in lines],
    )


async def log_lines(connection: Any, run_id: str, *, after: int, limit: int) -> list[LogLine]:
    """Return lines of a Run's log after an id."""
    rows = await connection.fetch(_SQL["log_lines"], run_id, after, limit)
    return [
        LogLine(
            id=row["id"],
            attempt=row["attempt"],
            at=row["at"],
            stream=row["stream"],
            level=row["level"],
            text=row["text"],
        )
        for row in rows
    ]


async def add_file(connection: Any, run_id: str, file: RunFile) -> int:
    """Put a stored blob on a Run; return its id."""
    return await connection.fetchval(
        _SQL["add_file"], run_id, file.attempt, file.kind, file.name, file.size_bytes, file.blob
    )


async def files(connection: Any, run_id: str) -> tuple[RunFile, ...]:
    """Return the files of a Run."""
    return tuple(_file(row) for row in await connection.fetch(_SQL["files"], run_id))


async def file(connection: Any, run_id: str, file_id: int) -> RunFile | None:
    """Return one file of a Run."""
    row = await connection.fetchrow(_SQL["file"], run_id, file_id)
    return None if row is None else _file(row)


def _run_row(row: Any) -> RunRow:
    run = Run(
        id=RunId(row["id"]),
        workspace_id=WorkspaceId(row["workspace_id"]),
        project_id=ProjectId(row["project_id"]),
        deployment_id=DeploymentId(row["deployment_id"]),
        kind=RunKind(row["kind"]),
        parent_id=row["parent_id"],
        auth_session_id=row["auth_session_id"],
        api=row["api"],
        status=RunStatus(row["status"]),
        attempt=row["attempt"],
        maximum_attempts=row["maximum_attempts"],
        result=row["result"],
        extended_payloads=_payloads(row["extended_payloads"]),
        failure=_failure(row["failure"]),
        cancellation=_cancellation(row["cancellation"]),
        attributes=json.loads(row["attributes"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
    return RunRow(
        run=run,
        parameters=row["parameters"],
        sealed_proxy=row["sealed_proxy"],
        save_trace=row["save_trace"],
        request_timeout=row["request_timeout"],
        fence=row["fence"],
        turn=row["turn"],
        request_sha256=row["request_sha256"],
        is_cancel_requested=row["cancel_requested_at"] is not None,
        save_har=row["save_har"],
        variables_version=row.get("variables_version", 0),
        session=_session(row["session_plan"]),
        sealed_session=row["sealed_session"],
        waits_for=row["waits_for"],
        sealed_sink=row["sealed_sink"],
    )


def _attempt(row: Any) -> Attempt:
    return Attempt(
        number=row["number"],
        status=AttemptStatus(row["status"]),
        failure=_failure(row["failure"]),
        started_at=row["started_at"],
        author_started_at=row["author_started_at"],
        ended_at=row["ended_at"],
    )


def _file(row: Any) -> RunFile:
    return RunFile(
        id=row["id"],
        attempt=row["attempt"],
        kind=row["kind"],
        name=row["name"],
        size_bytes=row["size_bytes"],
        blob=row["blob"],
        created_at=row["created_at"],
    )


def _session_text(plan: SessionPlan | None) -> str | None:
    """Return a plan as JSON text, less what is secret of it."""
    if plan is None:
        return None
    return json.dumps(
        {
            "id": plan.id,
            "operation": plan.operation,
            "auto_recreate": plan.auto_recreate,
            "check_attempts": plan.check_attempts,
            "create_attempts": plan.create_attempts,
            "request_timeout": plan.request_timeout.total_seconds(),
            "save_trace": plan.save_trace,
            "check_every": None if plan.check_every is None else plan.check_every.total_seconds(),
            "is_check_due": plan.is_check_due,
        }
    )


def _session(text: str | None) -> SessionPlan | None:
    if text is None:
        return None
    body = json.loads(text)
    every, operation = body["check_every"], body["operation"]
    body |= {
        "operation": None if operation is None else SessionOperation(operation),
        "request_timeout": timedelta(seconds=body["request_timeout"]),
        "check_every": None if every is None else timedelta(seconds=every),
    }
    return SessionPlan(**body)


def _attributes_text(attributes: dict[str, Any]) -> str:
    # jsonb has no NUL.
    return json.dumps(attributes).replace("\\u0000", "\\ufffd")


def _failure_text(failure: Failure | None) -> str | None:
    if failure is None:
        return None
    return json.dumps(
        {
            "code": failure.code.value,
            "category": failure.category.value,
            "message": failure.message,
            "retryable": failure.retryable,
            "details": failure.details,
        }
    )


def _failure(text: str | None) -> Failure | None:
    if text is None:
        return None
    body = json.loads(text)
    return Failure(
        code=FailureCode(body["code"]),
        category=Category(body["category"]),
        message=body["message"],
        retryable=body["retryable"],
        details=body["details"],
    )


def _cancellation_text(cancellation: Cancellation | None) -> str | None:
    if cancellation is None:
        return None
    return json.dumps(
        {
            "reason": cancellation.reason.value,
            "message": cancellation.message,
            "details": cancellation.details,
        }
    )


def _cancellation(text: str | None) -> Cancellation | None:
    if text is None:
        return None
    body = json.loads(text)
    return Cancellation(
        reason=CancelReason(body["reason"]), message=body["message"], details=body["details"]
    )


def _payloads_text(payloads: Sequence[ExtendedPayload]) -> str:
    return json.dumps(
        [
            {"api": item.api, "parameters": item.parameters, "run_id": item.run_id}
            for item in payloads
        ]
    )


def _payloads(text: str | None) -> tuple[ExtendedPayload, ...]:
    return tuple(ExtendedPayload(**item) for item in json.loads(text or "[]"))
