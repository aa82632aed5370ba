"""Rows of Jobs: one function per query of `sql/jobs.sql`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.domain.ids import ProjectId, WorkspaceId
from runwright.domain.jobs import job_json, job_text, schedule_text
from runwright.domain.jobs.jobs import Job, JobPlan, JobReason, JobSource, JobState
from runwright.storage import database, session_plans
from runwright.storage.database import queries

_SQL = queries("jobs")


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRow:
    """A Job; its plan lacks the sealed parts."""

    job: Job
    sealed_secrets: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When a Job fires next."""

    firing: datetime | None = None
    """The time given by its Schedule."""
    fires_at: datetime | None = None
    """The same, delayed by the jitter."""


async def insert(  # noqa: PLR0913, PLR0917 - the columns of a row
    connection: Any,
    workspace_id: WorkspaceId,
    project_id: ProjectId,
    job_id: str,
    source: JobSource,
    plan: JobPlan,
    sealed_secrets: bytes,
    moment: Moment,
) -> bool:
    """Insert a new Job; False when its id is taken."""
    row = await connection.fetchrow(
        _SQL["insert"],
        project_id,
        job_id,
        workspace_id,
        source.value,
        *_plan_columns(plan),
        sealed_secrets,
        moment.firing,
        moment.fires_at,
    )
    return row is not None


async def update(
    connection: Any,
    project_id: ProjectId,
    job_id: str,
    plan: JobPlan,
    sealed_secrets: bytes,
    moment: Moment,
) -> None:
    """Replace a Job's plan; a paused Job stays paused."""
    await connection.execute(
        _SQL["update"],
        project_id,
        job_id,
        *_plan_columns(plan),
        sealed_secrets,
        moment.firing,
        moment.fires_at,
    )


async def get(connection: Any, project_id: ProjectId, job_id: str) -> JobRow | None:
    """The Job with that id."""
    return _job_row(await connection.fetchrow(_SQL["get"], project_id, job_id))


async def lock(connection: Any, project_id: ProjectId, job_id: str) -> JobRow | None:
    """The Job with that id, locked until the transaction ends."""
    return _job_row(await connection.fetchrow(_SQL["lock"], project_id, job_id))


async def list_all(connection: Any, project_id: ProjectId) -> list[JobRow]:
    """The Jobs of a project, by id."""
    return _job_rows(await connection.fetch(_SQL["list"], project_id))


async def of_code(connection: Any, project_id: ProjectId) -> list[JobRow]:
    """The Jobs that a project's code declares."""
    return _job_rows(await connection.fetch(_SQL["of_code"], project_id))


async def delete(connection: Any, project_id: ProjectId, job_id: str) -> None:
    """Delete a Job."""
    await connection.execute(_SQL["delete"], project_id, job_id)


async def pause(connection: Any, project_id: ProjectId, job_id: str, message: str) -> None:
    """Pause a Job's Schedule and record why; no effect on one already paused."""
    at = await database.now(connection)
    text = json.dumps({"type": "paused", "message": message, "at": at.isoformat()})
    await connection.execute(_SQL["pause"], project_id, job_id, text)


async def resume(connection: Any, project_id: ProjectId, job_id: str, moment: Moment) -> None:
    """Resume the Schedule of a paused Job."""
    await connection.execute(_SQL["resume"], project_id, job_id, moment.firing, moment.fires_at)


async def note_run(connection: Any, project_id: ProjectId, job_id: str) -> None:
    """Record that a JobRun of the Job has begun."""
    await connection.execute(_SQL["note_run"], project_id, job_id)


async def take_due(connection: Any, now: datetime, limit: int) -> list[JobRow]:
    """Jobs that are due, locked until the transaction ends."""
    return _job_rows(await connection.fetch(_SQL["take_due"], now, limit))


async def move_on(
    connection: Any, project_id: ProjectId, job_id: str, moment: Moment, *, has_fired: bool
) -> None:
    """Advance a locked Job to its next moment, and record whether it has fired."""
    await connection.execute(
        _SQL["move_on"], project_id, job_id, moment.firing, moment.fires_at, has_fired
    )


async def next_at(connection: Any) -> datetime | None:
    """When the next Job of any project fires."""
    return await connection.fetchval(_SQL["next_at"])


def _plan_columns(plan: JobPlan) -> tuple[str, str, str | None, str | None]:
    return (
        json.dumps([job_json.of_payload(each) for each in plan.payload]),
        json.dumps(job_json.of_configuration(plan.configuration)),
        None if plan.schedule_body is None else json.dumps(plan.schedule_body),
        session_plans.text(plan.session),
    )


def _job_rows(rows: Any) -> list[JobRow]:
    return [found for row in rows if (found := _job_row(row)) is not None]


def _job_row(row: Any) -> JobRow | None:
    if row is None:
        return None
    schedule = None if row["schedule"] is None else json.loads(row["schedule"])
    plan = JobPlan(
        payload=job_text.parse_payload(json.loads(row["payload"])),
        configuration=job_text.parse_configuration(json.loads(row["configuration"])),
        schedule=None if schedule is None else schedule_text.parse(schedule),
        schedule_body=schedule,
        session=session_plans.read(row["session_plan"]),
    )
    job = Job(
        id=row["id"],
        workspace_id=WorkspaceId(row["workspace_id"]),
        project_id=ProjectId(row["project_id"]),
        state=JobState(row["state"]),
        source=JobSource(row["source"]),
        plan=plan,
        reason=_reason(row["reason"]),
        firing=row["firing"],
        fires_at=row["fires_at"],
        last_run_at=row["last_run_at"],
        created_at=row["created_at"],
    )
    return JobRow(job=job, sealed_secrets=row["sealed_secrets"])


def _reason(text: str | None) -> JobReason | None:
    if text is None:
        return None
    body = json.loads(text)
    return JobReason(
        type=body["type"], message=body["message"], at=datetime.fromisoformat(body["at"])
    )
