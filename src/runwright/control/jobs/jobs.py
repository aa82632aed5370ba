"""Jobs: creating, updating, pausing and triggering them, on behalf of callers and deploys."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from runwright.adapters import signals
from runwright.adapters.queue import engine
from runwright.control.base import admission, idempotency, parameters, queues, run_plans
from runwright.control.base.current import on_current
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.jobs import job_runs, job_starts
from runwright.control.jobs.job_starts import Trigger
from runwright.control.runs import job_items
from runwright.domain.ids import ProjectId
from runwright.domain.jobs import job_text, schedules
from runwright.domain.jobs.jobs import (
    Job,
    JobPlan,
    JobRunReason,
    JobRunStatus,
    JobSource,
    JobState,
    is_job_id,
)
from runwright.domain.projects import Manifest, Project
from runwright.errors import Conflict, NotFound, Problem, ValidationError
from runwright.storage import (
    auth_sessions as session_rows,
    database,
    job_runs as job_run_rows,
    jobs as rows,
)
from runwright.storage.job_runs import JobRunRow, Reason
from runwright.storage.jobs import JobRow, Moment

_MAX_PROBLEMS = 20


async def list_all(platform: Platform, project_id: ProjectId) -> list[Job]:
    """The Jobs of a project, sorted by id."""
    return [opened(platform, row) for row in await rows.list_all(platform.database, project_id)]


async def get(platform: Platform, project_id: ProjectId, job_id: str) -> Job:
    """Find a Job.

    Raises:
        NotFound: the project has no such Job.
    """
    found = None if "\0" in job_id else await rows.get(platform.database, project_id, job_id)
    if found is None:
        raise _not_found(job_id)
    return opened(platform, found)


async def create(platform: Platform, project: Project, job_id: str, plan: JobPlan) -> None:
    """Create a Job; its Schedule starts now.

    Raises:
        ValidationError: the id is invalid, an item names an unknown Api, or the session is missing or unexpected.
        NotFound: nothing is deployed yet.
        Conflict: a Job with that id exists.
    """
    if not is_job_id(job_id):
        message = "must be 1 to 128 letters, digits, `.`, `_`, `~` or `-`, and start with a letter or digit"
        raise ValidationError([Problem(path="id", message=message)])
    _check(project, plan)
    await deliveries.check_sink(plan.secrets.sink, "sink")
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await _insert(platform, connection, project, job_id, plan, JobSource.API):
            raise Conflict(f"The job `{job_id}` already exists: update it, or choose another id.")
        await signals.send(connection, "schedules")


async def update(platform: Platform, project: Project, job_id: str, plan: JobPlan) -> None:
    """Replace a Job's plan; a JobRun in progress keeps the one it began with.

    Raises:
        NotFound: the project has no such Job, or nothing is deployed yet.
        Conflict: it is declared by the project's code.
        ValidationError: an item names an unknown Api, or the session is missing or unexpected.
    """
    known = await get(platform, project.id, job_id)
    _refuse_code(known)
    _check(project, plan)
    await deliveries.check_sink(plan.secrets.sink, "sink")
    async with platform.database.acquire() as connection, database.transaction(connection):
        await _update(platform, connection, project.id, job_id, plan)
        await signals.send(connection, "schedules")


async def delete(platform: Platform, project_id: ProjectId, job_id: str) -> None:
    """Delete a Job; its active JobRun is terminated.

    Raises:
        NotFound: the project has no such Job.
        Conflict: it is declared by the project's code.
    """
    _refuse_code(await get(platform, project_id, job_id))
    async with platform.database.acquire() as connection, database.transaction(connection):
        await _delete(platform, connection, project_id, job_id)


async def pause(platform: Platform, project_id: ProjectId, job_id: str) -> None:
    """Pause a Job's Schedule, and start no more items of its active JobRun; no effect on a paused Job.

    Raises:
        NotFound: the project has no such Job.
    """
    await get(platform, project_id, job_id)
    reason = Reason(type=JobRunReason.USER_REQUEST, message="Paused on request.")
    # The Job first: from then on, no JobRun of it can begin unseen.
    await rows.pause(platform.database, project_id, job_id, reason.message)
    async with platform.database.acquire() as connection, database.transaction(connection):
        active = await _lock_active(connection, project_id, job_id)
        if active is not None:
            await job_items.pause(platform, connection, active, reason)


async def resume(platform: Platform, project_id: ProjectId, job_id: str) -> None:
    """Resume a Job's Schedule and its paused JobRun, whose session is validated first.

    Raises:
        NotFound: the project has no such Job.
    """
    await get(platform, project_id, job_id)
    async with platform.database.acquire() as connection, database.transaction(connection):
        active = await _lock_active(connection, project_id, job_id)
        known = await rows.lock(connection, project_id, job_id)
        if known is None:
            raise _not_found(job_id)
        moment = await _moment_from_now(connection, job_id, known.job.plan)
        await rows.resume(connection, project_id, job_id, moment)
        if active is not None and active.job_run.status in (
            JobRunStatus.PAUSED,
            JobRunStatus.PAUSING,
        ):
            await _go_on(platform, connection, active)
        await signals.send(connection, "schedules")


@on_current
async def trigger(
    platform: Platform,
    project: Project,
    job_id: str,
    *,
    idempotency_key: str | None,
    request_text: str,
) -> JobRunRow:
    """Begin a JobRun of a Job now; it is CANCELED at once if something prevents it.

    Raises:
        NotFound: the project has no such Job.
        ValidationError: the Job is paused.
        Conflict: the idempotency key was used with a different request within 24 hours.
        Unavailable: the disk is nearly full.
    """
    await get(platform, project.id, job_id)
    admission.check_disk(platform.settings)
    signed = idempotency.signed(platform, idempotency_key, request_text)
    asked = Trigger(idempotency_key=idempotency_key, request_sha256=signed)
    try:
        async with platform.database.acquire() as connection, database.transaction(connection):
            known = await rows.lock(connection, project.id, job_id)
            if known is None:
                raise _not_found(job_id)
            earlier = await _earlier(platform, connection, known.job, idempotency_key, request_text)
            if earlier is not None:
                return earlier
            if known.job.state is JobState.PAUSED:
                message = f"The job `{job_id}` is paused: resume it first."
                raise ValidationError([Problem(path="jobId", message=message)], message)
            active = await job_run_rows.active_of_job(connection, project.id, job_id)
            asked = dataclasses.replace(asked, active=active)
            begun, entries = await job_starts.begin(
                platform, connection, project, opened(platform, known), asked
            )
            await engine.enqueue(connection, *entries)
            await rows.note_run(connection, project.id, job_id)
            return begun
    except asyncpg.UniqueViolationError as error:
        raise Conflict(
            "The same key was used by another request at the same moment: send the request again."
        ) from error


async def declare(
    platform: Platform, connection: Any, project: Project, declared: Mapping[str, JobPlan]
) -> list[str]:
    """Update a project's Jobs to match those its code declares; return messages about the changes.

    `project` has the new Deployment as its current one. A Job that a caller created keeps its id.
    """
    said: list[str] = []
    known = {row.job.id for row in await rows.of_code(connection, project.id)}
    for job_id in sorted(known - declared.keys()):
        await _delete(platform, connection, project.id, job_id)
        said.append(f"The job `{job_id}` is no longer declared and was removed")
    for job_id, plan in declared.items():
        if job_id in known:
            await _update(platform, connection, project.id, job_id, plan)
        elif await _insert(platform, connection, project, job_id, plan, JobSource.CODE):
            said.append(f"Created the job `{job_id}`")
        else:
            said.append(f"The job `{job_id}` was not created by code and stays as it is")
    await signals.send(connection, "schedules")
    return said


def problems(plan: JobPlan, manifest: Manifest) -> list[Problem]:
    """Problems of a Job in a project whose Deployment has that manifest."""
    apis = {api.name for api in manifest.apis}
    known = ", ".join(f"`{name}`" for name in sorted(apis)[:10])
    found = [
        Problem(
            path=f"payload.{number}.apiName",
            message=f"names no API of this project: {item.api!r:.200}; it has {known}",
        )
        for number, item in enumerate(plan.payload)
        if item.api not in apis
    ]
    schemas = parameters.enforced_by_name(manifest)
    for number, item in enumerate(plan.payload):
        if len(found) < _MAX_PROBLEMS and item.api in schemas:
            path = f"payload.{number}.parameters"
            found += parameters.problems(item.parameters, schemas[item.api], path)
    found = found[:_MAX_PROBLEMS]
    if manifest.settings.has_auth_sessions and plan.session is None:
        message = "is missing: every run of this project needs an auth session"
        found.append(Problem(path="auth_session", message=message))
    if plan.session is not None and not manifest.settings.has_auth_sessions:
        message = "is given, but this project has no auth sessions: leave it out"
        found.append(Problem(path="auth_session", message=message))
    return found


async def _insert(
    platform: Platform,
    connection: Any,
    project: Project,
    job_id: str,
    plan: JobPlan,
    source: JobSource,
) -> bool:
    return await rows.insert(
        connection,
        project.workspace_id,
        project.id,
        job_id,
        source,
        plan,
        _seal(platform, project.id, job_id, plan),
        await _moment_from_now(connection, job_id, plan),
    )


async def _update(
    platform: Platform, connection: Any, project_id: ProjectId, job_id: str, plan: JobPlan
) -> None:
    sealed = _seal(platform, project_id, job_id, plan)
    moment = await _moment_from_now(connection, job_id, plan)
    await rows.update(connection, project_id, job_id, plan, sealed, moment)


async def hold_declared(connection: Any, project_id: ProjectId) -> None:
    """Lock the Jobs that a project's code declares, and their active JobRuns, until the transaction ends."""
    declared = await rows.of_code(connection, project_id)
    await _hold(connection, project_id, [row.job.id for row in declared])


async def _hold(connection: Any, project_id: ProjectId, job_ids: Sequence[str]) -> None:
    """Lock Jobs in the usual order: their active JobRuns before them, the sessions of those after."""
    keys = [(project_id, job_id) for job_id in sorted(job_ids)]
    while True:
        active = await job_run_rows.active_of_jobs(connection, keys)
        locked = [await job_items.lock(connection, each) for each in sorted(active.values())]
        attempt = connection.transaction()
        await attempt.start()
        for _, job_id in keys:
            await rows.lock(connection, project_id, job_id)
        if (await job_run_rows.active_of_jobs(connection, keys)).items() <= active.items():
            break
        # One of them has just fired: lock its new JobRun first.
        await attempt.rollback()
    await attempt.commit()
    sessions = {row.auth_session_id for row in locked if row is not None and row.auth_session_id}
    for session_id in sorted(sessions):
        await session_rows.lock(connection, project_id, session_id)


async def _delete(platform: Platform, connection: Any, project_id: ProjectId, job_id: str) -> None:
    await _hold(connection, project_id, [job_id])
    active = await job_run_rows.active_of_job(connection, project_id, job_id)
    if active is not None:
        await job_runs.terminate_locked(platform, connection, active)
    await rows.delete(connection, project_id, job_id)


async def _lock_active(connection: Any, project_id: ProjectId, job_id: str) -> JobRunRow | None:
    """The active JobRun of a Job, locked; as everywhere, it is locked before its Job."""
    job_run_id = await job_run_rows.active_of_job(connection, project_id, job_id)
    found = await job_items.lock(connection, job_run_id)
    return found if found is not None and found.job_run.status.is_active else None


async def _go_on(platform: Platform, connection: Any, job_run: JobRunRow) -> None:
    has_session = job_run.auth_session_id is not None
    status = JobRunStatus.RESUMING if has_session else JobRunStatus.PENDING
    going = await job_run_rows.stand(
        connection, job_run.job_run.id, status, is_session_good=not has_session
    )
    if going is not None and has_session:
        await engine.enqueue(connection, queues.job_run_entry(job_run.job_run.id))
    elif going is not None:
        await job_items.advance(platform, connection, going)


async def _earlier(
    platform: Platform, connection: Any, job: Job, key: str | None, request_text: str
) -> JobRunRow | None:
    if key is None:
        return None
    found = await job_run_rows.find_idempotent(connection, job.project_id, job.id, key)
    if found is None:
        return None
    idempotency.check(platform, key, request_text, found.request_sha256)
    return found


def _check(project: Project, plan: JobPlan) -> None:
    _, manifest = run_plans.deployed(project)
    if found := problems(plan, manifest):
        raise ValidationError(found)


def _refuse_code(job: Job) -> None:
    if job.source is JobSource.CODE:
        raise Conflict(
            f"The job `{job.id}` is declared by the project's code: change it there and deploy."
        )


async def _moment_from_now(connection: Any, job_id: str, plan: JobPlan) -> Moment:
    return next_moment(job_id, plan, await database.now(connection))


def next_moment(job_id: str, plan: JobPlan, now: datetime) -> Moment:
    """When a Job fires next after a time, by the database's clock."""
    if plan.schedule is None:
        return Moment()
    return put_off(job_id, plan, schedules.next_after(plan.schedule, now))


def put_off(job_id: str, plan: JobPlan, firing: datetime | None) -> Moment:
    """A time of a Job's Schedule, together with when the Job fires for it."""
    if plan.schedule is None or firing is None:
        return Moment()
    return Moment(firing=firing, fires_at=schedules.put_off(plan.schedule, job_id, firing))


def _seal(platform: Platform, project_id: ProjectId, job_id: str, plan: JobPlan) -> bytes:
    return job_starts.seal(platform, f"job:{project_id}/{job_id}", plan.secrets)


def opened(platform: Platform, row: JobRow) -> Job:
    """A Job with its secrets unsealed."""
    job = row.job
    if row.sealed_secrets is None:
        return job
    record = f"job:{job.project_id}/{job.id}"
    body = json.loads(platform.vault.open(row.sealed_secrets, record=record))
    plan = dataclasses.replace(job.plan, secrets=job_text.parse_secrets(body))
    return dataclasses.replace(job, plan=plan)


def _not_found(job_id: str) -> NotFound:
    return NotFound(f"There is no job `{job_id[:128]}` in this project.")
