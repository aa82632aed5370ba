"""Rows of Runs: one function per query of `sql/runs.sql`, shared with `attempts` and `run_outputs`."""

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
    """A Run with the columns that only the platform needs."""

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
    """The project's, as of the claim; 0 when the row was not just claimed."""
    session: SessionPlan | None
    """Without its secrets, which are in `sealed_session`."""
    sealed_session: bytes | None
    waits_for: str | None
    sealed_sink: bytes | None
    job_id: str | None
    """The Job it is an item of; set only when the row was just claimed."""
    worker_id: WorkerId | None
    """The Worker that has claimed it, until it is given back, parked or ended."""
    correlation_id: str | None
    trace_parent: str | None
    expires_at: datetime | None

    def has_expired(self, now: datetime) -> bool:
        """True when it was not begun in time."""
        is_waiting = self.run.status is RunStatus.PENDING and self.worker_id is None
        return is_waiting and self.expires_at is not None and self.expires_at <= now

    def plan(self, *, proxy: str | None, session: SessionPlan | None = None) -> RunPlan:
        """The plan that the Run was accepted with; `proxy` and `session` are the unsealed ones."""
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
    """A Run about to be inserted."""

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
    """The W3C trace context that it belongs to."""
    expires_after: timedelta | None = None
    """It is canceled unless begun within this time; None: it waits forever."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a Run and its last Attempt end, as written by `finish`."""

    status: RunStatus
    result: str | None = None
    extended_payloads: tuple[ExtendedPayload, ...] = ()
    failure: Failure | None = None
    cancellation: Cancellation | None = None
    attempt_failure: Failure | None = None
    """The last Attempt's own failure, where `failure` sums up several."""
    author_started_at: datetime | None = None
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


async def insert(connection: Any, new: NewRun) -> RunRow:
    """Insert a Run; the returned row has its turn in the fair order."""
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
    """The number of a project's waiting Runs, counted up to `most`."""
    return await connection.fetchval(_SQL["count_waiting"], project_id, most)


async def expired(connection: Any, limit: int) -> list[RunId]:
    """Runs that no Worker has begun and whose time is up."""
    return [RunId(row["id"]) for row in await connection.fetch(_SQL["expired"], limit)]


async def find_idempotent(connection: Any, project_id: ProjectId, key: str) -> RunRow | None:
    """The Run created with this key within the last day; an older key is released."""
    row = await connection.fetchrow(_SQL["find_idempotent"], project_id, key)
    if row is None:
        await connection.execute(_SQL["forget_idempotency_key"], project_id, key)
        return None
    return run_row(row)


async def get(connection: Any, run_id: str) -> RunRow | None:
    """The Run with that id."""
    row = await connection.fetchrow(_SQL["get"], run_id)
    return None if row is None else run_row(row)


async def lock(connection: Any, run_id: str) -> RunRow | None:
    """The Run with that id, locked until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock"], run_id)
    return None if row is None else run_row(row)


async def claim_first(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Claim a waiting Run for the first time; None when it is not waiting. See the statement."""
    row = await connection.fetchrow(_SQL["claim_first"], run_id, worker_id)
    return None if row is None else run_row(row)


async def claim_next(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Claim a locked Run for another Attempt."""
    row = await connection.fetchrow(_SQL["claim_next"], run_id, worker_id)
    return None if row is None else run_row(row)


async def claim_prepared(connection: Any, run_id: str, worker_id: WorkerId) -> RunRow | None:
    """Claim a locked operation, or a Run whose AuthSession must be prepared; no Attempt begins."""
    row = await connection.fetchrow(_SQL["claim_prepared"], run_id, worker_id)
    return None if row is None else run_row(row)


async def park(connection: Any, run_id: str, fence: int, operation_id: str) -> bool:
    """Make a claimed Run wait for an operation; False when the fence has moved on."""
    return await connection.fetchrow(_SQL["park"], run_id, fence, operation_id) is not None


async def waiting(
    connection: Any, operation_id: str
) -> list[tuple[RunId, ProjectId, int | None, int]]:
    """Id, project, turn and fence of the Runs that wait for an operation."""
    rows = await connection.fetch(_SQL["waiting"], operation_id)
    return [
        (RunId(row["id"]), ProjectId(row["project_id"]), row["turn"], row["fence"]) for row in rows
    ]


async def active_operation(
    connection: Any, project_id: ProjectId, session_id: str
) -> RunRow | None:
    """The operation that holds an AuthSession; it cannot end before this transaction does."""
    row = await connection.fetchrow(_SQL["active_operation"], project_id, session_id)
    return None if row is None else run_row(row)


async def finish(connection: Any, run_id: str, fence: int, ending: Ending) -> RunRow | None:
    """End the Run under its fence; None when the fence has moved on."""
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
    """End an Attempt and leave the Run waiting for its next; False when the fence has moved on."""
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
    """Let any Worker claim a claimed Run immediately."""
    await connection.execute(_SQL["disown"], run_id, fence)


async def give_back(connection: Any, run_id: str, fence: int) -> bool:
    """Undo a claim, so that an interrupted Attempt does not count."""
    return await connection.fetchrow(_SQL["give_back"], run_id, fence) is not None


async def hold_back(connection: Any, run_id: str, fence: int) -> bool:
    """Take a claimed item out of the queue until it is fed again; False when the fence has moved on."""
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
    """Ask the Worker of a started Run to cancel it; False when the Run is not started."""
    return await connection.fetchrow(_SQL["request_cancel"], run_id) is not None


async def interrupted(connection: Any, held: Sequence[tuple[str, int]]) -> dict[str, bool]:
    """The held Runs that must stop, by id: True when lost to another fence, False when cancellation was requested."""
    rows = await connection.fetch(
        _SQL["interrupted"], [run_id for run_id, _ in held], [fence for _, fence in held]
    )
    return {row["id"]: row["is_lost"] for row in rows}


async def unfinished(
    connection: Any, after: RunId | None, limit: int
) -> list[tuple[RunId, ProjectId, int]]:
    """Id, project and turn of unfinished Runs, by id, following `after`."""
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
    """The Runs of a project, newest first."""
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
    """Build a RunRow from a row of `runs`."""
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
