"""Runs as rows: one function a query of `sql/runs.sql`, like `attempts` and `run_outputs`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.failures import Failure
from runwright.domain.ids import DeploymentId, JobRunId, ProjectId, RunId, WorkerId, WorkspaceId
from runwright.domain.runs import (
    Cancellation,
    ExtendedPayload,
    Run,
    RunFilter,
    RunKind,
    RunPlan,
    RunStatus,
)
from runwright.storage import drift, run_texts, session_plans
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
    turn: int | None
    """Its place in the fair order; None: an item that its JobRun has not fed into the queue."""
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
    job_id: str | None
    """Of the Job whose item it is, when the row was claimed."""
    worker_id: WorkerId | None
    """Who has claimed it, until it is given back, waits or ends."""
    correlation_id: str | None
    trace_parent: str | None
    expires_at: datetime | None

    def has_expired(self, now: datetime) -> bool:
        """Return whether it was not begun in its time."""
        is_waiting = self.run.status is RunStatus.PENDING and self.worker_id is None
        return is_waiting and self.expires_at is not None and self.expires_at <= now

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
    correlation_id: str | None = None
    """Of the request that started it."""
    trace_parent: str | None = None
    """Where it belongs in a trace, as W3C writes it."""
    expires_after: timedelta | None = None
    """Canceled unless it has begun by then; None: it waits for ever."""


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
        session_plans.text(new.plan.session),
        new.sealed_session,
        new.sealed_sink,
        new.correlation_id,
        new.trace_parent,
        new.expires_after,
    )
    return run_row(row)


async def count_waiting(connection: Any, project_id: ProjectId, most: int) -> int:
    """Return how many Runs of a project wait, but no more than `most`."""
    return await connection.fetchval(_SQL["count_waiting"], project_id, most)


async def expired(connection: Any, limit: int) -> list[RunId]:
    """Return Runs that no Worker has begun and whose time is up."""
    return [RunId(row["id"]) for row in await connection.fetch(_SQL["expired"], limit)]


async def find_idempotent(connection: Any, project_id: ProjectId, key: str) -> RunRow | None:
    """Return the Run that the key made within its day, freeing the key if it is older."""
    row = await connection.fetchrow(_SQL["find_idempotent"], project_id, key)
    if row is None:
        await connection.execute(_SQL["forget_idempotency_key"], project_id, key)
        return None
    return run_row(row)


async def get(connection: Any, run_id: str) -> RunRow | None:
    """Return one Run."""
    row = await connection.fetchrow(_SQL["get"], run_id)
    return None if row is None else run_row(row)


async def lock(connection: Any, run_id: str) -> RunRow | None:
    """Return one Run, held until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock"], run_id)
    return None if row is None else run_row(row)


async def claim_first(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Take a waiting Run for the first time; None when it is not waiting. See the statement."""
    row = await connection.fetchrow(_SQL["claim_first"], run_id, worker_id)
    return None if row is None else run_row(row)


async def claim_next(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Begin another Attempt of a locked Run."""
    row = await connection.fetchrow(_SQL["claim_next"], run_id, worker_id)
    return None if row is None else run_row(row)


async def claim_prepared(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Take a locked operation, or Run whose session comes first; no Attempt begins."""
    row = await connection.fetchrow(_SQL["claim_prepared"], run_id, worker_id)
    return None if row is None else run_row(row)


async def park(connection: Any, run_id: str, fence: int, operation_id: str) -> bool:
    """Let a claimed Run wait for an operation; return whether the fence still held."""
    return await connection.fetchrow(_SQL["park"], run_id, fence, operation_id) is not None


async def waiting(
    connection: Any, operation_id: str
) -> list[tuple[RunId, ProjectId, int | None, int]]:
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
    return None if row is None else run_row(row)


async def finish(connection: Any, run_id: str, fence: int, ending: Ending) -> RunRow | None:
    """Turn the Run terminal under its fence; None when the fence has moved on."""
    row = await connection.fetchrow(
        _SQL["finish"],
        run_id,
        fence,
        ending.status.value,
        ending.result,
        run_texts.payloads_text(ending.extended_payloads)
        if ending.status is RunStatus.COMPLETED
        else None,
        run_texts.failure_text(ending.failure),
        run_texts.cancellation_text(ending.cancellation),
        run_texts.failure_text(ending.attempt_failure),
        ending.author_started_at,
        run_texts.attributes_text(ending.attributes),
    )
    return None if row is None else run_row(row)


async def retry(connection: Any, run_id: str, fence: int, ending: Ending) -> bool:
    """End an Attempt and leave the Run waiting for its next; return whether the fence still held."""
    row = await connection.fetchrow(
        _SQL["retry"],
        run_id,
        fence,
        run_texts.failure_text(ending.attempt_failure),
        ending.author_started_at,
        run_texts.attributes_text(ending.attributes),
    )
    return row is not None


async def disown(connection: Any, run_id: str, fence: int) -> None:
    """Let any Worker take a claimed Run up at once."""
    await connection.execute(_SQL["disown"], run_id, fence)


async def give_back(connection: Any, run_id: str, fence: int) -> bool:
    """Undo a claim, so that an interrupted Attempt does not count."""
    return await connection.fetchrow(_SQL["give_back"], run_id, fence) is not None


async def hold_back(connection: Any, run_id: str, fence: int) -> bool:
    """Take a claimed item out of the queue until it is fed again; return whether the fence held."""
    return await connection.fetchrow(_SQL["hold_back"], run_id, fence) is not None


async def cancel_pending(connection: Any, run_id: str, cancellation: Cancellation) -> RunRow | None:
    """Cancel a Run that no Worker has begun; None when there is none."""
    row = await connection.fetchrow(
        _SQL["cancel_pending"], run_id, run_texts.cancellation_text(cancellation)
    )
    return None if row is None else run_row(row)


async def cancel_pending_of_project(
    connection: Any, project_id: ProjectId, cancellation: Cancellation
) -> list[RunRow]:
    """Cancel every Run of a project that no Worker has begun; return them."""
    rows = await connection.fetch(
        _SQL["cancel_pending_of_project"], project_id, run_texts.cancellation_text(cancellation)
    )
    return [run_row(row) for row in rows]


async def request_cancel(connection: Any, run_id: str) -> bool:
    """Ask the Worker of a started Run to cancel it; return whether it is started."""
    return await connection.fetchrow(_SQL["request_cancel"], run_id) is not None


async def interrupted(connection: Any, held: Sequence[tuple[str, int]]) -> dict[str, bool]:
    """Return which of the held Runs must stop: True lost to another fence, False asked to cancel."""
    rows = await connection.fetch(
        _SQL["interrupted"], [run_id for run_id, _ in held], [fence for _, fence in held]
    )
    return {row["id"]: row["is_lost"] for row in rows}


async def unfinished(
    connection: Any, after: RunId | None, limit: int
) -> list[tuple[RunId, ProjectId, int]]:
    """Return id, project and turn of Runs that are not terminal, by id, from one on."""
    rows = await connection.fetch(_SQL["unfinished"], after or "", limit)
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
    is_of_job_run = chosen.job_run_id is not None
    rows = await connection.fetch(
        _SQL["page_of_job_run" if is_of_job_run else "page"],
        project_id,
        chosen.api,
        chosen.status and chosen.status.value,
        chosen.since,
        chosen.until,
        None if chosen.attribute is None else json.dumps(dict([chosen.attribute])),
        at,
        run_id,
        chosen.job_run_id if is_of_job_run else chosen.job_id,
        chosen.is_drifted is True,
        limit,
    )
    return [run_row(row).run for row in rows]


def run_row(row: Any) -> RunRow:
    """Return a row of `runs` as a value."""
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
        extended_payloads=run_texts.payloads(row["extended_payloads"]),
        job_run_id=None if row["job_run_id"] is None else JobRunId(row["job_run_id"]),
        failure=run_texts.failure(row["failure"]),
        cancellation=run_texts.cancellation(row["cancellation"]),
        attributes=json.loads(row["attributes"]),
        drift=drift.read(row["drift"]),
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
        session=session_plans.read(row["session_plan"]),
        sealed_session=row["sealed_session"],
        waits_for=row["waits_for"],
        sealed_sink=row["sealed_sink"],
        job_id=row.get("job_id"),
        worker_id=row["worker_id"],
        correlation_id=row["correlation_id"],
        trace_parent=row["trace_parent"],
        expires_at=row["expires_at"],
    )
