"""Operations on AuthSessions: beginning one, and the consequences of its end.

An operation is a Run of its own kind, so that it is accepted, queued, claimed under a fence, picked
up again and canceled like any other. Until it is over, its row is the session's lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from runwright.adapters import signals
from runwright.adapters.queue import engine
from runwright.control.auth_sessions import sealed_sessions
from runwright.control.base import queues, run_plans
from runwright.control.base.platform import Platform
from runwright.domain.auth_sessions import (
    SessionOperation,
    SessionPlan,
)
from runwright.domain.ids import DeploymentId, ProjectId, RunId, WorkspaceId, new_run_id
from runwright.domain.jobs.jobs import JobRun
from runwright.domain.projects import Project
from runwright.domain.runs import Cancellation, Run, RunKind, RunPlan
from runwright.errors import CancelReason, Problem, SessionInUse, ValidationError
from runwright.storage import (
    auth_sessions as rows,
    database,
    job_runs as job_run_rows,
    runs as run_rows,
)
from runwright.storage.runs import RunRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """The Deployment and Manifest that an operation runs with."""

    workspace_id: WorkspaceId
    project_id: ProjectId
    deployment_id: DeploymentId


def deployed(project: Project, *, needs_create: bool) -> Deployed:
    """The Deployment and Manifest for a project's operations.

    Raises:
        NotFound: nothing is deployed.
        ValidationError: the project has no sessions, or lacks `create.py` where the operation needs it.
    """
    deployment, manifest = run_plans.deployed(project)
    settings = manifest.settings
    if not settings.has_auth_sessions:
        message = (
            f"the project `{project.name}` has no auth sessions: set `auth_sessions.enabled`, "
            "write `auth-sessions/create.py` and `check.py`, and deploy"
        )
        raise ValidationError([Problem(path="authSession", message=message)], message)
    if needs_create and not settings.can_create_sessions:
        message = f"The project `{project.name}` has no `auth-sessions/create.py`: upload a state instead."
        raise ValidationError([Problem(path="parameters", message=message)], message)
    return Deployed(
        workspace_id=project.workspace_id,
        project_id=project.id,
        deployment_id=deployment.id,
    )


async def begin(platform: Platform, connection: Any, deployed: Deployed, plan: SessionPlan) -> Run:
    """Insert an operation and its queue entry, ahead of the project's Runs, some of which may wait for it."""
    assert plan.operation is not None
    run_id = new_run_id()
    new = run_rows.NewRun(
        id=run_id,
        workspace_id=deployed.workspace_id,
        project_id=deployed.project_id,
        deployment_id=deployed.deployment_id,
        kind=RunKind.OPERATION,
        plan=RunPlan(
            api=f"auth-sessions/{plan.operation.value}",
            parameters={},
            proxy=None,
            save_trace=False,
            save_har=False,
            request_timeout=plan.request_timeout,
            maximum_attempts=1,
            session=plan,
        ),
        sealed_proxy=None,
        sealed_session=sealed_sessions.seal_plan(platform, run_id, plan),
    )
    try:
        async with database.transaction(connection):
            row = await run_rows.insert(connection, new)
    except asyncpg.UniqueViolationError as error:
        raise in_use(plan.id) from error
    await engine.enqueue(connection, queues.entry(deployed.project_id, run_id, 0))
    return row.run


async def repair(platform: Platform, connection: Any, row: RunRow, plan: SessionPlan) -> RunId:
    """Begin the operation that a Run wants on a session that is locked and has none in progress."""
    deployed = Deployed(
        workspace_id=row.run.workspace_id,
        project_id=row.run.project_id,
        deployment_id=row.run.deployment_id,
    )
    return (await begin(platform, connection, deployed, plan)).id


async def validate_for_job(platform: Platform, connection: Any, job_run: JobRun) -> RunId:
    """Begin the operation that validates a JobRun's session before it begins or resumes.

    Raises:
        SessionInUse: another operation is in progress.
    """
    assert job_run.session is not None
    assert job_run.deployment_id is not None
    plan = replace(job_run.session, operation=SessionOperation.VALIDATE)
    deployed = Deployed(
        workspace_id=job_run.workspace_id,
        project_id=job_run.project_id,
        deployment_id=job_run.deployment_id,
    )
    return (await begin(platform, connection, deployed, plan)).id


async def after_operation(connection: Any, operation: RunRow, *, is_completed: bool) -> None:
    """Release the session and the waiting Runs of an operation that ended in this transaction."""
    run, plan = operation.run, operation.session
    assert plan is not None
    if not is_completed and plan.operation is not SessionOperation.UPDATE:
        await rows.forget_unmade(connection, run.project_id, plan.id)
        if plan.operation is SessionOperation.CREATE:
            await rows.expire(connection, run.project_id, plan.id, generation=0)
    waiting = await run_rows.waiting(connection, run.id)
    await engine.enqueue(
        connection,
        *(
            queues.entry_after_waiting(project_id, run_id, turn, fence)
            for run_id, project_id, turn, fence in waiting
        ),
        *map(queues.job_run_entry, await job_run_rows.waiting_for(connection, run.id)),
    )


async def cancel_operation(connection: Any, project_id: ProjectId, session_id: str) -> None:
    """Cancel the operation on a session: at once while it waits, otherwise through its Worker."""
    operation = await run_rows.active_operation(connection, project_id, session_id)
    if operation is None:
        return
    cancellation = Cancellation(
        reason=CancelReason.TERMINATED, message=f"The auth session `{session_id}` was removed."
    )
    if await run_rows.cancel_pending(connection, operation.run.id, cancellation):
        await after_operation(connection, operation, is_completed=False)
        await signals.send(connection, f"run:{operation.run.id}")
    elif await run_rows.request_cancel(connection, operation.run.id):
        await signals.send(connection, "interrupted")


async def forget(connection: Any, project_id: ProjectId, session_id: str) -> None:
    """Delete a session and cancel its operation, if one is in progress."""
    await cancel_operation(connection, project_id, session_id)
    await rows.forget(connection, project_id, session_id)


def in_use(session_id: str) -> SessionInUse:
    """The error for an operation on a session that already has one in progress."""
    return SessionInUse(
        f"The auth session `{session_id}` is being created, updated or validated: "
        "wait until that is over."
    )
