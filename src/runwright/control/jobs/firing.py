"""Fires Jobs that are due: taking a Job, beginning its JobRun and advancing it are one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from runwright import db_errors, telemetry
from runwright.adapters.queue import engine
from runwright.control.base.platform import Platform
from runwright.control.insight import metrics
from runwright.control.jobs import job_starts, jobs
from runwright.control.jobs.job_starts import Trigger
from runwright.domain.ids import JobRunId, ProjectId
from runwright.domain.jobs import schedules
from runwright.domain.jobs.jobs import JobRunType
from runwright.domain.projects import Project
from runwright.storage import database, job_runs as job_run_rows, jobs as rows, projects
from runwright.storage.jobs import JobRow

log = telemetry.logger(__name__)

FIRED_AT_ONCE = 50


async def fire_due(platform: Platform, now: datetime) -> int:
    """Fire Jobs that are due and advance them; return how many were taken.

    Each firing happens exactly once, even if a process dies. A Job that cannot fire does not delay others.
    """
    taken: list[JobRow] = []
    try:
        async with platform.database.acquire() as connection, database.transaction(connection):
            taken = await rows.take_due(connection, now, FIRED_AT_ONCE)
            await _fire(platform, connection, taken, now)
    except Exception as error:
        if db_errors.is_to_wait_for(error) or not taken:
            raise
        log.warning(
            "firing jobs one by one after an error", event_name="firing_failed", error=str(error)
        )
        for row in taken:
            await _fire_alone(platform, row.job.project_id, row.job.id, now)
    return len(taken)


async def next_moment(platform: Platform) -> datetime | None:
    """The time when the next Job of any project fires."""
    return await rows.next_at(platform.database)


async def _fire_alone(
    platform: Platform, project_id: ProjectId, job_id: str, now: datetime
) -> None:
    async with platform.database.acquire() as connection, database.transaction(connection):
        row = await rows.lock(connection, project_id, job_id)
        if row is None or row.job.fires_at is None or row.job.fires_at > now:
            return
        try:
            async with database.transaction(connection):
                await _fire(platform, connection, [row], now)
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                raise
            log.exception("job failed to fire", event_name="job_not_fired", job_id=job_id)
            moment = jobs.next_moment(job_id, row.job.plan, now)
            await rows.move_on(connection, project_id, job_id, moment, has_fired=False)


async def _fire(platform: Platform, connection: Any, taken: list[JobRow], now: datetime) -> None:
    keys = [(row.job.project_id, row.job.id) for row in taken]
    active = await job_run_rows.active_of_jobs(connection, keys) if keys else {}
    known: dict[ProjectId, Project] = {}
    entries: list[engine.Entry] = []
    lateness: list[timedelta] = []
    for row in taken:
        job = row.job
        assert job.firing is not None
        assert job.plan.schedule is not None
        fired, following = schedules.due(job.plan.schedule, job.id, job.firing, now)
        if fired is not None:
            if job.project_id not in known:
                known[job.project_id] = await projects.get(connection, job.project_id)
            trigger = _trigger(fired, active.get((job.project_id, job.id)))
            opened, project = jobs.opened(platform, row), known[job.project_id]
            _, begun = await job_starts.begin(platform, connection, project, opened, trigger)
            entries += begun
            late = now - schedules.put_off(job.plan.schedule, job.id, fired)
            lateness.append(max(late, timedelta(0)))
        moment = jobs.put_off(job.id, job.plan, following)
        await rows.move_on(connection, job.project_id, job.id, moment, has_fired=fired is not None)
    await engine.enqueue(connection, *entries)
    await metrics.observe(connection, metrics.SCHEDULE_LATENESS, lateness)


def _trigger(firing: datetime, active: JobRunId | None) -> Trigger:
    return Trigger(type=JobRunType.SCHEDULED, firing=firing, active=active)
