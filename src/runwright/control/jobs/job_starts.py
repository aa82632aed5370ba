"""Beginning a JobRun: a snapshot of its Job and all its items in one transaction, or the reason why it cannot begin."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from runwright.adapters.queue import engine
from runwright.control.base import queues, run_plans
from runwright.control.base.platform import Platform
from runwright.control.deliveries import sealed_sinks
from runwright.control.runs import job_items
from runwright.domain import runs as run_values
from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.deliveries.deliveries import NotificationKind
from runwright.domain.ids import JobRunId, new_job_run_id, new_run_id
from runwright.domain.jobs import job_json
from runwright.domain.jobs.jobs import (
    Job,
    JobRunReason,
    JobRunStatus,
    JobRunType,
    JobSecrets,
)
from runwright.domain.projects import Deployment, Project, ProjectSettings
from runwright.storage import auth_sessions as session_rows, database, job_runs as rows
from runwright.storage.job_runs import JobRunRow, NewJobRun, Reason


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trigger:
    """The cause of a JobRun."""

    type: JobRunType = JobRunType.MANUAL
    firing: datetime | None = None
    """The Schedule's time that this firing is for."""
    idempotency_key: str | None = None
    request_sha256: bytes | None = None
    active: JobRunId | None = None
    """The Job's active JobRun."""


async def begin(
    platform: Platform, connection: Any, project: Project, job: Job, trigger: Trigger
) -> tuple[JobRunRow, list[engine.Entry]]:
    """Begin a JobRun of a locked Job with a snapshot of it and all its items, or record why it cannot begin.

    The caller must enqueue the returned entries in the same transaction.
    """
    deployment, manifest = run_plans.deployed(project)
    job_run_id = new_job_run_id()
    settings = manifest.settings
    new = NewJobRun(
        id=job_run_id,
        workspace_id=job.workspace_id,
        project_id=job.project_id,
        job_id=job.id,
        deployment_id=deployment.id,
        type=trigger.type,
        configuration=dataclasses.replace(
            job.plan.configuration,
            maximum_attempts=job.plan.configuration.maximum_attempts
            or settings.default_maximum_attempts
            or 1,
            request_timeout=job.plan.configuration.request_timeout
            or settings.default_request_timeout
            or run_values.DEFAULT_REQUEST_TIMEOUT,
        ),
        session=_session(job.plan.session, settings),
        sealed_secrets=seal(platform, f"job-run:{job_run_id}", _secrets(platform, job, deployment)),
        payloads=len(job.plan.payload),
        firing=trigger.firing,
        reason=await _obstacle(connection, job, trigger.active, settings),
        idempotency_key=trigger.idempotency_key,
        request_sha256=trigger.request_sha256,
    )
    job_run = await _insert(connection, new)
    if job_run.job_run.status is JobRunStatus.CANCELED:
        await job_items.notify(platform, connection, job_run, NotificationKind.JOB_RUN_ENDED)
        return job_run, []
    payload = [(new_run_id(), each) for each in job.plan.payload]
    await job_items.add(platform, connection, job_run, payload)
    if not job_run.is_session_good:
        return job_run, [queues.job_run_entry(job_run_id)]
    await job_items.notify(platform, connection, job_run, NotificationKind.JOB_RUN_STARTED)
    return job_run, await job_items.feed_first(platform, connection, job_run, len(payload))


def seal(platform: Platform, record: str, secrets: JobSecrets) -> bytes:
    """Seal the secrets of a Job or JobRun as part of a record."""
    text = json.dumps(job_json.of_secrets(secrets))
    return platform.vault.seal(text.encode(), record=record)


async def _insert(connection: Any, new: NewJobRun) -> JobRunRow:
    if new.session is None or new.reason is not None:
        return await rows.insert(connection, new)
    try:
        async with database.transaction(connection):
            return await rows.insert(connection, new)
    except asyncpg.UniqueViolationError:
        # Another Job began with the same session at the same moment.
        reason = _session_locked(new.session.id, None)
        return await rows.insert(connection, dataclasses.replace(new, reason=reason))


async def _obstacle(
    connection: Any, job: Job, active: JobRunId | None, settings: ProjectSettings
) -> Reason | None:
    if active is not None:
        message = f"The job run `{active}` of this job is still active."
        return Reason(type=JobRunReason.ANOTHER_ACTIVE, message=message)
    if not settings.has_auth_sessions:
        return None
    if job.plan.session is None:
        message = "The project's runs need an auth session, but the job has none: add `auth_session` to it."
        return Reason(type=JobRunReason.SESSION_NOT_FOUND, message=message)
    session_id = job.plan.session.id
    if await session_rows.get(connection, job.project_id, session_id) is None:
        return session_not_found(session_id)
    holder = await rows.holder_of_session(connection, job.project_id, session_id)
    return None if holder is None else _session_locked(session_id, holder)


def _session(plan: SessionPlan | None, settings: ProjectSettings) -> SessionPlan | None:
    if plan is None or not settings.has_auth_sessions:
        return None
    every = timedelta(seconds=settings.session_check_every)
    traces = settings.save_session_traces if plan.save_trace is None else plan.save_trace
    return dataclasses.replace(plan, check_every=every, save_trace=traces)


def _secrets(platform: Platform, job: Job, deployment: Deployment) -> JobSecrets:
    """The secrets of a JobRun: the Job's, with the project's defaults filled in."""
    secrets = job.plan.secrets
    sink = sealed_sinks.or_default(platform, secrets.sink, deployment)
    proxy = secrets.proxy or secrets.configuration_proxy
    return dataclasses.replace(secrets, sink=sink, proxy=proxy)


def session_not_found(session_id: str) -> Reason:
    """The reason of a JobRun whose session does not exist."""
    message = f"There is no auth session `{session_id}` in this project."
    return Reason(type=JobRunReason.SESSION_NOT_FOUND, message=message)


def _session_locked(session_id: str, holder: str | None) -> Reason:
    whose = "another job" if holder is None else f"the job `{holder}`"
    message = f"The auth session `{session_id}` is held by an active job run of {whose}."
    return Reason(type=JobRunReason.SESSION_LOCKED, message=message)
