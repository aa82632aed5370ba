"""Rows of JobRuns: one function per query of `sql/job_runs.sql`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.ids import DeploymentId, JobRunId, ProjectId, WorkspaceId
from runwright.domain.jobs import job_json, job_text
from runwright.domain.jobs.jobs import (
    Counts,
    JobConfiguration,
    JobRun,
    JobRunReason,
    JobRunStatus,
    JobRunType,
    JobSecrets,
)
from runwright.storage import session_plans
from runwright.storage.database import queries

_SQL = queries("job_runs")
_ORDERS = {
    "start_time": "job_runs.created_at",
    "created_at": "job_runs.created_at",
    "updated_at": "job_runs.updated_at",
    "end_time": "job_runs.ended_at",
    "status": "job_runs.status",
    "type": "job_runs.type",
    "id": "job_runs.id",
}
SORTABLE = tuple(_ORDERS)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRunRow:
    """A JobRun without its sealed parts, with the columns that only the platform needs."""

    job_run: JobRun
    """Only `get` and `page` fill in the counts; elsewhere they are 0 until `keep_counts`."""
    sealed_secrets: bytes
    auth_session_id: str | None
    waits_for: str | None
    is_session_good: bool
    request_sha256: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a JobRun is paused or has ended."""

    type: JobRunReason
    message: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJobRun:
    """A JobRun about to begin, or one that is canceled from the start, for its reason."""

    id: JobRunId
    workspace_id: WorkspaceId
    project_id: ProjectId
    job_id: str
    deployment_id: DeploymentId | None
    type: JobRunType
    configuration: JobConfiguration
    session: SessionPlan | None
    sealed_secrets: bytes
    payloads: int
    firing: datetime | None = None
    reason: Reason | None = None
    idempotency_key: str | None = None
    request_sha256: bytes | None = None


async def insert(connection: Any, new: NewJobRun) -> JobRunRow:
    """Insert a new JobRun; one with a reason is canceled."""
    status = JobRunStatus.PENDING if new.reason is None else JobRunStatus.CANCELED
    row = await connection.fetchrow(
        _SQL["insert"],
        new.id,
        new.workspace_id,
        new.project_id,
        new.job_id,
        new.deployment_id,
        new.type.value,
        status.value,
        json.dumps(job_json.of_configuration(new.configuration)),
        session_plans.text(new.session),
        new.sealed_secrets,
        None if new.session is None else new.session.id,
        new.session is None,
        new.firing,
        _reason_text(new.reason),
        new.idempotency_key,
        new.request_sha256,
        None if new.reason is None else new.payloads,
    )
    return _row(row)


async def get(connection: Any, job_run_id: str) -> JobRunRow | None:
    """The JobRun with that id, with its counts."""
    row = await connection.fetchrow(_SQL["get"], job_run_id)
    return None if row is None else _row(row)


async def find(connection: Any, job_run_id: str) -> JobRunRow | None:
    """The JobRun with that id, without counts, which would read every item."""
    row = await connection.fetchrow(_SQL["find"], job_run_id)
    return None if row is None else _row(row)


async def lock(connection: Any, job_run_id: str) -> JobRunRow | None:
    """The JobRun with that id, locked until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock"], job_run_id)
    return None if row is None else _row(row)


async def active_of_job(connection: Any, project_id: ProjectId, job_id: str) -> JobRunId | None:
    """The unfinished JobRun of a Job."""
    return await connection.fetchval(_SQL["active_of_job"], project_id, job_id)


async def active_of_jobs(
    connection: Any, jobs: Sequence[tuple[ProjectId, str]]
) -> dict[tuple[ProjectId, str], JobRunId]:
    """The unfinished JobRuns of the Jobs, by project and Job."""
    rows = await connection.fetch(
        _SQL["active_of_jobs"],
        [project_id for project_id, _ in jobs],
        [job_id for _, job_id in jobs],
    )
    return {(ProjectId(row["project_id"]), row["job_id"]): JobRunId(row["id"]) for row in rows}


async def holder_of_session(connection: Any, project_id: ProjectId, session_id: str) -> str | None:
    """The Job whose JobRun holds an AuthSession."""
    return await connection.fetchval(_SQL["holder_of_session"], project_id, session_id)


async def find_idempotent(
    connection: Any, project_id: ProjectId, job_id: str, key: str
) -> JobRunRow | None:
    """The JobRun started with this key within the last day; an older key is released."""
    row = await connection.fetchrow(_SQL["find_idempotent"], project_id, job_id, key)
    if row is None:
        await connection.execute(_SQL["forget_idempotency_key"], project_id, job_id, key)
        return None
    return _row(row)


async def page(  # noqa: PLR0913 - what a page is
    connection: Any,
    project_id: ProjectId,
    job_id: str,
    *,
    since: datetime,
    order: Sequence[tuple[str, bool]],
    limit: int,
    offset: int,
) -> tuple[list[JobRunRow], int]:
    """JobRuns of a Job, and their total number.

    `order` lists names from `SORTABLE`, each with whether to sort in descending order.
    """
    terms = [f"{_ORDERS[name]} {'DESC' if goes_down else 'ASC'}" for name, goes_down in order]
    sql = _SQL["page"].replace("{order}", ", ".join(terms or ["job_runs.created_at DESC"]))
    found = await connection.fetch(sql, project_id, job_id, since, limit, offset)
    total = await connection.fetchval(_SQL["total"], project_id, job_id, since)
    return [_row(row) for row in found], total


async def wait_for(connection: Any, job_run_id: str, operation_id: str) -> None:
    """Make a locked JobRun wait for an operation on its AuthSession."""
    await connection.execute(_SQL["wait_for"], job_run_id, operation_id)


async def stand(
    connection: Any,
    job_run_id: str,
    status: JobRunStatus,
    *,
    reason: Reason | None = None,
    is_session_good: bool = True,
) -> JobRunRow | None:
    """Set the status of a locked JobRun; None when it has ended."""
    row = await connection.fetchrow(
        _SQL["stand"], job_run_id, status.value, _reason_text(reason), is_session_good
    )
    return None if row is None else _row(row)


async def touch(connection: Any, job_run_id: str) -> None:
    """Update a locked JobRun's time of last change."""
    await connection.execute(_SQL["touch"], job_run_id)


async def end(
    connection: Any, job_run_id: str, status: JobRunStatus, reason: Reason | None = None
) -> JobRunRow | None:
    """End a locked JobRun; None when it has already ended."""
    row = await connection.fetchrow(_SQL["end"], job_run_id, status.value, _reason_text(reason))
    return None if row is None else _row(row)


async def keep_counts(connection: Any, job_run_id: str) -> JobRunRow | None:
    """Store the counts of a locked JobRun whose items have all ended."""
    row = await connection.fetchrow(_SQL["keep_counts"], job_run_id)
    return None if row is None else _row(row)


async def waiting_for(connection: Any, operation_id: str) -> list[str]:
    """The JobRuns that wait for an operation."""
    return [row["id"] for row in await connection.fetch(_SQL["waiting_for"], operation_id)]


async def stuck(
    connection: Any, after: tuple[datetime, str] | None, limit: int
) -> list[tuple[str, datetime]]:
    """JobRuns with work to do but nothing in progress, oldest first, following `after`."""
    rows = await connection.fetch(_SQL["stuck"], *(after or (None, None)), limit)
    return [(row["id"], row["created_at"]) for row in rows]


def _row(row: Any) -> JobRunRow:
    reason = None if row["reason"] is None else json.loads(row["reason"])
    job_run = JobRun(
        id=JobRunId(row["id"]),
        workspace_id=WorkspaceId(row["workspace_id"]),
        project_id=ProjectId(row["project_id"]),
        job_id=row["job_id"],
        deployment_id=None if row["deployment_id"] is None else DeploymentId(row["deployment_id"]),
        type=JobRunType(row["type"]),
        status=JobRunStatus(row["status"]),
        configuration=job_text.parse_configuration(json.loads(row["configuration"])),
        session=session_plans.read(row["session_plan"]),
        secrets=JobSecrets(),
        counts=_counts(row),
        reason=None if reason is None else JobRunReason(reason["type"]),
        message=None if reason is None else reason["message"],
        details={} if reason is None else reason["details"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
    )
    return JobRunRow(
        job_run=job_run,
        sealed_secrets=row["sealed_secrets"],
        auth_session_id=row["auth_session_id"],
        waits_for=row["waits_for"],
        is_session_good=row["is_session_good"],
        request_sha256=row["request_sha256"],
    )


def _counts(row: Any) -> Counts:
    if row["payloads"] is not None:
        return Counts(
            payloads=row["payloads"],
            successful=row["successful_runs"],
            failed=row["failed_runs"],
        )
    return Counts(
        payloads=row.get("items", 0),
        successful=row.get("completed", 0),
        failed=row.get("fallen", 0),
    )


def _reason_text(reason: Reason | None) -> str | None:
    if reason is None:
        return None
    return json.dumps(
        {"type": reason.type.value, "message": reason.message, "details": reason.details}
    )
