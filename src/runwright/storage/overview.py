"""Read-only queries for the dashboard: one function per query of `sql/overview.sql`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runwright.domain.ids import ProjectId, RunId, WorkspaceId
from runwright.domain.insight.overview import (
    DURATION_RATIO,
    DURATION_STEPS,
    SHORTEST,
    Bucket,
    FailedRun,
    LastJobRun,
    Progress,
    Queue,
    RunLine,
    RunnerSeen,
    WorkerSeen,
)
from runwright.domain.runs import RunFilter, RunStatus
from runwright.storage import drift, platform, spans as span_rows
from runwright.storage.database import queries

_SQL = queries("overview")
_COUNTED = 100_000
"""At most this many Runs are counted one by one."""
_OF_JOB_RUN = "FROM (SELECT * FROM runs WHERE job_run_id = $10 OFFSET 0) AS runs\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectRow:
    """A project in a list."""

    id: ProjectId
    name: str
    number: int | None
    """Number of the current Deployment."""
    deployed_at: datetime | None
    last_run_at: datetime | None


async def series(
    connection: Any,
    owner: WorkspaceId | ProjectId,
    *,
    is_project: bool,
    since: datetime,
    span: timedelta,
    spans: int,
) -> list[Bucket]:
    """What happened to the Runs of each span since a time, including empty spans."""
    arguments = (owner, since, span.total_seconds(), SHORTEST, DURATION_STEPS, DURATION_RATIO)
    if span < span_rows.HOUR:
        statement = _SQL["series_of_project" if is_project else "series"]
        rows = await connection.fetch(statement, *arguments)
    else:
        length = span_rows.HOUR if span < span_rows.QUARTER else span_rows.QUARTER
        rows = await connection.fetch(_SQL["series_of_spans"], *arguments, is_project, length)
    found = [Bucket(begins_at=since + span * number) for number in range(spans)]
    for row in rows:
        place: int = min(max(row["span"], 0), spans - 1)
        bucket = found[place]
        status, number = RunStatus(row["status"]), row["number"]
        bucket.counts[status] = bucket.counts.get(status, 0) + number
        if row["class"] >= 0 and status is RunStatus.COMPLETED:
            bucket.durations[row["class"]] = bucket.durations.get(row["class"], 0) + number
    return found


async def failed(
    connection: Any,
    owner: WorkspaceId | ProjectId,
    *,
    is_project: bool,
    since: datetime,
    limit: int,
) -> list[FailedRun]:
    """The newest failed Runs."""
    statement = _SQL["failed_of_project" if is_project else "failed"]
    return [
        _failed(row, json.loads(row["failure"]))
        for row in await connection.fetch(statement, owner, since, limit)
    ]


async def queue(connection: Any, workspace_id: WorkspaceId, project_id: ProjectId | None) -> Queue:
    """What is waiting and what is in progress."""
    row = await connection.fetchrow(_SQL["queue"], workspace_id, project_id, _COUNTED)
    return Queue(waiting=row["waiting"], oldest_at=row["oldest_at"], started=row["started"])


async def active(
    connection: Any, workspace_id: WorkspaceId, limit: int
) -> list[tuple[str, RunLine]]:
    """Runs in progress, with their projects' names, newest first."""
    rows = await connection.fetch(_SQL["active"], workspace_id, limit)
    return [(row["project"], _line(row)) for row in rows]


async def projects(connection: Any, workspace_id: WorkspaceId) -> list[ProjectRow]:
    """The projects of a workspace, by name."""
    return [
        ProjectRow(
            id=ProjectId(row["id"]),
            name=row["name"],
            number=row["number"],
            deployed_at=row["deployed_at"],
            last_run_at=row["last_run_at"],
        )
        for row in await connection.fetch(_SQL["projects"], workspace_id)
    ]


async def project_names(connection: Any, workspace_id: WorkspaceId) -> list[str]:
    """The names of a workspace's projects."""
    return [row["name"] for row in await connection.fetch(_SQL["project_names"], workspace_id)]


async def project_counts(
    connection: Any, workspace_id: WorkspaceId, since: datetime
) -> dict[ProjectId, dict[RunStatus, int]]:
    """Runs per project and status, accepted since the start of an hour."""
    found: dict[ProjectId, dict[RunStatus, int]] = {}
    for row in await connection.fetch(_SQL["project_counts"], workspace_id, since):
        counts = found.setdefault(ProjectId(row["project_id"]), {})
        status = RunStatus(row["status"])
        counts[status] = counts.get(status, 0) + row["number"]
    return found


async def workers(connection: Any, silence: timedelta) -> list[WorkerSeen]:
    """The Workers as last heard from; `silence` is how long one must be quiet to count as silent."""
    return [
        WorkerSeen(
            id=str(row["id"]),
            host=row["host"],
            pid=row["pid"],
            slots=row["slots"],
            busy=row["busy"],
            started_at=row["started_at"],
            heartbeat_at=row["heartbeat_at"],
            is_silent=row["is_silent"],
            runners=_runners(row["pool"]),
            findings=platform.findings_of(row),
            examined_at=row["examined_at"],
            is_examination_asked=row["is_examination_asked"],
        )
        for row in await connection.fetch(_SQL["workers"], silence)
    ]


async def lines(
    connection: Any,
    project_id: ProjectId,
    chosen: RunFilter,
    *,
    text: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[RunLine]:
    """A project's Runs for a table, newest first; with a text, failed Runs whose failure contains it."""
    at, run_id = before or (None, None)
    status = chosen.status and chosen.status.value
    arguments = [
        project_id,
        chosen.api,
        status,
        chosen.since,
        chosen.until,
        None if chosen.attribute is None else json.dumps(dict([chosen.attribute])),
        at,
        run_id,
        limit,
        chosen.job_run_id,
        chosen.job_id,
        chosen.is_drifted is True,
    ]
    is_of_failed = text is not None or status == RunStatus.FAILED
    sql = _SQL["failed_lines" if is_of_failed else "lines"]
    if is_of_failed:
        arguments[2] = RunStatus.FAILED.value
        arguments.append(None if text is None else json.dumps(text)[1:-1].lower())
    if chosen.job_run_id is not None:
        # Finds the items by their JobRun rather than among all Runs.
        sql = sql.replace("FROM runs\n", _OF_JOB_RUN, 1)
    return [_line(row) for row in await connection.fetch(sql, *arguments)]


async def operations(connection: Any, project_id: ProjectId) -> dict[str, RunLine]:
    """The last operation on each AuthSession of a project, by the AuthSession's id."""
    rows = await connection.fetch(_SQL["operations"], project_id)
    return {row["auth_session_id"]: _line(row) for row in rows}


async def last_job_runs(connection: Any, project_id: ProjectId) -> dict[str, LastJobRun]:
    """The newest JobRun of each Job of a project, by the Job's id."""
    return {
        row["job_id"]: LastJobRun(
            id=row["id"],
            status=row["status"],
            created_at=row["created_at"],
            ended_at=row["ended_at"],
        )
        for row in await connection.fetch(_SQL["last_job_runs"], project_id)
    }


async def progress(connection: Any, job_run_id: str) -> Progress:
    """The progress of a JobRun's items."""
    return Progress(**await connection.fetchrow(_SQL["progress"], job_run_id))


async def items(connection: Any, job_run_id: str, limit: int) -> list[RunLine]:
    """Items of a JobRun that have begun, the most interesting ones first."""
    return [_line(row) for row in await connection.fetch(_SQL["items"], job_run_id, limit)]


async def delivery_counts(connection: Any, job_run_id: str) -> dict[str, int]:
    """The number of a JobRun's Deliveries by status."""
    rows = await connection.fetch(_SQL["delivery_counts"], job_run_id)
    return {row["status"]: row["number"] for row in rows}


def _line(row: Any) -> RunLine:
    ending = row.get("failure") or row.get("cancellation")
    body: dict[str, Any] = {} if ending is None else json.loads(ending)
    return RunLine(
        id=RunId(row["id"]),
        project_id=ProjectId(row["project_id"]),
        api=row["api"],
        status=RunStatus(row["status"]),
        attempt=row["attempt"],
        maximum_attempts=row["maximum_attempts"],
        attributes=json.loads(row.get("attributes") or "{}"),
        message=body.get("message"),
        code=body.get("code") or body.get("reason"),
        job_run_id=row.get("job_run_id"),
        drift=None if (drifted := drift.read(row.get("drift"))) is None else drifted.message,
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row.get("ended_at"),
    )


def _failed(row: Any, failure: dict[str, Any]) -> FailedRun:
    return FailedRun(
        id=RunId(row["id"]),
        project=row["project"],
        api=row["api"],
        code=failure["code"],
        message=failure["message"],
        ended_at=row["ended_at"],
    )


def _runners(text: str | None) -> tuple[RunnerSeen, ...]:
    told: Iterable[dict[str, str]] = json.loads(text or "[]")
    return tuple(RunnerSeen(**each) for each in told)
